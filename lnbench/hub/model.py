"""A poisoner as a model repository, and results for a folder of kept victims.

The Hub has no kind of repository for a method without weights; benchmarks of such systems publish a model repository
that holds the method's file and its results.
"""

from __future__ import annotations

import re
from pathlib import Path

from lnbench.errors import RecordError
from lnbench.evaluation import saved_victims
from lnbench.evaluation.victim_header import facts
from lnbench.hub import build as builds
from lnbench.hub import card, eval_results, folders, layout
from lnbench.hub.address import Address
from lnbench.protocol import canonical_json
from lnbench.record.record import Record, meaning

RECORD = "record.json"
_HUB = "https://huggingface.co"
_LICENCES = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,60}")
_PATH = re.compile(rf"README\.md|{re.escape(RECORD)}|[a-z0-9_-]{{1,40}}\.py|{re.escape(eval_results.RESULTS)}")


def ours(path: str) -> bool:
    """Whether a poisoner's repository may have a file of this path."""
    return _PATH.fullmatch(path) is not None


def build_poisoner(record: Record, folder: Path, repo: str, benchmark: str) -> list[str]:
    """Write the model repository of the poisoner of a record: its file, the record, results and a card.

    Args:
        repo: where it will be published, `user/name`.
        benchmark: the dataset that holds the tracks, `user/name` or `user/name@commit`.

    Returns:
        the paths of its files.

    Raises:
        RecordError: if the record does not hold or does not rank.
        ProtocolError: if an address is not one, or the folder holds something else.
        UnavailableError: if the folder cannot be written.
    """
    address, dataset = Address.parse(repo, "model"), Address.parse(benchmark)
    builds.check_record(record)
    _check_ranked(record)
    folders.check(folder, ours, "a poisoner's repository")
    poisoner = record.poisoner
    text = (
        card.environment()
        .get_template("poisoner.md.jinja")
        .render(
            record=record,
            repo=repo,
            benchmark=dataset.repo,
            license=poisoner.license.lower() if _LICENCES.fullmatch(poisoner.license) else "other",
            tags=[
                card.TAG,
                card.track_tag(record.track.name),
                *card.TAGS[:-1],
                *eval_results.paper_tags(poisoner.paper),
            ],
            meaning=meaning,
        )
    )
    source = f"{_HUB}/{address.page}/blob/main/{RECORD}"
    files = {
        layout.CARD: text.encode(),
        RECORD: canonical_json(record.document),
        f"{record.name}.py": poisoner.source.encode(),
        eval_results.RESULTS: eval_results.poisoner_yaml(record, dataset, source),
    }
    for path, content in files.items():
        folders.write(folder, path, content)
    folders.keep_only(folder, files)
    return sorted(files)


def add_victims_results(record: Record, folder: Path, repo: str, benchmark: str) -> dict[str, float]:
    """Write `.eval_results/lnbench.yaml` into a folder of kept victims, which is then a model repository.

    Returns:
        arm -> mean adversarial accuracy of its victims that are in the folder, in %.

    Raises:
        RecordError: if the folder does not hold victims of this record, or the record does not rank.
        ProtocolError: if an address is not one.
        UnavailableError: if the folder cannot be written.
    """
    address, dataset = Address.parse(repo, "model"), Address.parse(benchmark)
    builds.check_record(record)
    _check_ranked(record)
    saved_victims.check_folder(folder, record)
    accuracies: dict[str, list[float]] = {}
    known = {victim.key: victim for victim in record.victims}
    for path in sorted(folder.rglob("*.safetensors")):
        said = facts(path)
        name = said["name"]
        victim = known[name["victim"], said["split"], said["seed"], name["arm"], name.get("draw")]
        broken = victim.broken.targeted[record.track.scored_index(victim.architecture)]
        accuracies.setdefault(victim.arm, []).append(1 - broken / victim.clean.source_points)
    source = f"{_HUB}/{address.page}"
    folders.write(folder, eval_results.RESULTS, eval_results.victims_yaml(record, accuracies, dataset, source))
    return {arm: 100 * sum(shares) / len(shares) for arm, shares in accuracies.items()}


def _check_ranked(record: Record) -> None:
    if not record.ranked:
        raise RecordError(
            f"the record is not ranked ({', '.join(record.flags) or 'no flag says why'}), so its numbers are not a "
            "benchmark's results."
        )
