"""What poisoners and defenders have in common: a class with parameters and words about itself, one to a file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Contestant:
    """Base of `Poisoner` and `Defender`: annotated fields are parameters, and the subclass is a frozen dataclass."""

    author: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    license: ClassVar[str] = ""

    def __init_subclass__(cls, *, contract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not contract:
            dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The parameters and their defaults."""
        made: Any = cls
        return {f.name: f.default for f in dataclasses.fields(made)} if dataclasses.is_dataclass(made) else {}
