"""A Hub on 127.0.0.1 for the real client: repositories, commits, large files, listing and search, and planned failures.

It answers what huggingface_hub and datasets ask for, with HF_HUB_DISABLE_XET=1; what it does not know is 404. The model
`user/name` is its repository `models/user/name`, the Space `user/name` its `spaces/user/name`; datasets have no word
before theirs. It exchanges the identity of a workflow's job for a token of one repository, and takes jobs without
running them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from loopback_state import IDENTITY, JOB_TOKEN, OWNER, PAGE, TOKEN, Failure, Hub, Repo, blob, entry, is_large, key, page

__all__ = ["IDENTITY", "JOB_TOKEN", "OWNER", "TOKEN", "Failure", "Hub", "Repo", "serving"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    planned: Failure | None = None

    def log_message(self, *_: object) -> None:
        pass

    def _any(self) -> None:
        body = self._body()
        url = urllib.parse.urlsplit(self.path)
        path, query = urllib.parse.unquote(url.path), urllib.parse.parse_qs(url.query)
        with self.hub.lock:
            self.hub.log.append(f"{self.command} {self.path}")
            self.planned = self.hub.failure(f"{self.command} {path}")
            if self.planned is not None and self.planned.how in ("drop", "silence"):
                self.close_connection = True
                time.sleep(3 if self.planned.how == "silence" else 0)
                return
            if self.planned is not None and self.planned.how == "page":
                return self._send(
                    headers={"Content-Type": "text/html"}, data=b"<html><form>Your room number?</form></html>"
                )
            if self.planned is not None and isinstance(self.planned.how, int):
                return self._error(self.planned.how, "", "planned", self.planned.headers)
            self._route(path, query, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(
        self, value: Any = None, status: int = 200, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> None:
        data = json.dumps({} if value is None else value).encode() if data is None else data
        content, length = data, len(data)
        how = self.planned.how if self.planned is not None else None
        if how == "alter":
            content = bytes(length)
        elif how == "short":
            content, length = data[:-1], length - 1
        elif how == "truncate":
            content, self.close_connection = data[: length // 2], True
        self.send_response(status)
        for name, text in {
            "Content-Type": "application/json",
            "Content-Length": str(length),
            **(headers or {}),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _error(self, status: int, code: str, message: str, more: dict[str, str] | None = None) -> None:
        self._send({"error": message}, status, {"X-Error-Code": code, "X-Error-Message": message, **(more or {})})

    @property
    def _known(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}" or self._scope is not None

    @property
    def _scope(self) -> str | None:
        """The one repository that a token of a trusted publisher is for, as in `datasets/user/name`."""
        scope = (self.headers.get("authorization") or "").removeprefix("Bearer hf_oidc:")
        return scope if scope in self.hub.publishers else None

    def _route(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        writing = self.command not in ("GET", "HEAD") and not path.startswith("/large/") and "paths-info" not in path
        if path == "/identity":
            right = self.headers.get("authorization") == f"bearer {JOB_TOKEN}" and "api-version" in query
            right &= query.get("audience") == [self.hub.url]
            return self._send({"value": IDENTITY}) if right else self._error(401, "", "not a job")
        if path == "/oauth/token":
            return self._exchange(json.loads(body))
        if self.headers.get("authorization") and not self._known:
            return self._error(401, "", "Invalid credentials in Authorization header")
        if path == "/api/validate-yaml":
            return self._send({"errors": [], "warnings": []})
        if writing and not self._known:
            return self._error(401, "", "Invalid username or password.")
        if writing and self._scope is not None and self._scope not in re.sub(r"^/api/models/", "", path):
            return self._error(403, "", f"this token is for {self._scope} alone")
        if path == "/api/whoami-v2":
            return self._send({"type": "user", "name": OWNER, "orgs": [], "auth": {"accessToken": {"role": "write"}}})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/datasets":
            return self._list(query)
        if match := re.fullmatch(r"/large/([0-9a-f]{64})", path):
            return self._large(match[1], body)
        if match := re.fullmatch(r"/api/jobs/([^/]+)", path):
            return self._job(match[1], json.loads(body))
        if re.fullmatch(r"/(?:datasets/|spaces/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body))
        if match := re.fullmatch(r"/(datasets/|spaces/|)([^/]+/[^/]+)/resolve/(refs/pr/\d+|[^/]+)/(.+)", path):
            return self._file(key(match[1] or "models/", match[2]), match[3], match[4])
        if match := re.fullmatch(
            r"/api/(datasets/|models/|spaces/)([^/]+/[^/]+?)(?:/([a-z-]+)(?:/(refs/pr/\d+|[^/]+)(?:/(.*))?)?)?", path
        ):
            return self._about(key(match[1], match[2]), match[3], match[4], match[5], query=query, body=body)
        self._error(404, "", f"no such route: {path}")

    def _repo(self, name: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._known):
            self._error(404 if self._known else 401, "RepoNotFound", "Repository not found")
            return None
        return repo

    def _create(self, wish: dict[str, Any]) -> None:
        kind = f"{wish.get('type') or 'model'}s/"
        name = key(kind, f"{wish.get('organization') or OWNER}/{wish['name']}")
        url = f"{self.hub.url}/{kind if kind != 'models/' else ''}{wish.get('organization') or OWNER}/{wish['name']}"
        if name in self.hub.repos:
            return self._send({"error": "You already created this dataset repo", "url": url}, 409)
        self.hub.add(name, {}, private=bool(wish.get("private")) or wish.get("visibility") == "private")
        self._send({"url": url, "name": name, "id": "1"})

    def _exchange(self, wish: dict[str, str]) -> None:
        """A job's identity for a token of one repository, if that has the job as a trusted publisher."""
        if wish["subject_token"] != IDENTITY or wish["resource"] not in self.hub.publishers:
            return self._send({"error": "invalid_grant", "error_description": "no publisher matches"}, 400)
        self._send({"access_token": f"hf_oidc:{wish['resource']}", "token_type": "bearer", "expires_in": 3600})

    def _job(self, owner: str, spec: dict[str, Any]) -> None:
        self.hub.jobs.append(spec)
        made: dict[str, Any] = {"id": "1", "type": "job", "createdAt": "2026-01-01T00:00:00.000Z"}
        made |= {"status": {"stage": "RUNNING", "message": None}, "owner": {"id": "1", "name": owner, "type": "user"}}
        self._send({**made, "dockerImage": spec.get("dockerImage"), "flavor": spec.get("flavor")})

    def _list(self, query: dict[str, list[str]]) -> None:
        found = []
        for name, repo in self.hub.repos.items():
            header = repo.files.get("README.md", b"").decode().split("---\n")
            card = yaml.safe_load(header[1]) if len(header) > 2 else {}
            tags = card.get("tags", [])
            if (
                not name.startswith(("models/", "spaces/"))
                and not repo.private
                and set(query.get("filter", [])) <= set(tags)
            ):
                found.append({"_id": "1", "id": name, "sha": repo.refs["main"], "cardData": card, "tags": tags})
        start = int(query.get("cursor", ["0"])[0])
        rest = urllib.parse.urlencode({**query, "cursor": start + PAGE}, doseq=True)
        more = {"Link": f'<{self.hub.url}/api/datasets?{rest}>; rel="next"'} if start + PAGE < len(found) else {}
        self._send(found[start : start + PAGE], headers=more)

    def _large(self, oid: str, body: bytes) -> None:
        if self.command == "PUT":
            assert hashlib.sha256(body).hexdigest() == oid
            self.hub.large[oid] = body
            return self._send()
        data, headers = self.hub.large[oid], {"Content-Type": "application/octet-stream", "ETag": f'"{oid}"'}
        if match := re.match(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(match[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return self._send(status=206, headers=headers, data=data[start:])
        self._send(headers=headers, data=data)

    def _batch(self, wish: dict[str, Any]) -> None:
        objects = []
        for wanted in wish["objects"]:
            oid = wanted["oid"]
            upload = {"upload": {"href": f"{self.hub.url}/large/{oid}", "header": {}}}
            objects.append({**wanted, **({} if oid in self.hub.large else {"actions": upload})})
        self._send({"transfer": "basic", "objects": objects}, headers={"Content-Type": "application/vnd.git-lfs+json"})

    def _file(self, name: str, revision: str, path: str) -> None:
        if (repo := self._repo(name)) is None:
            return None
        if repo.gated and not self._known:
            return self._error(401, "GatedRepo", "Access to dataset is restricted")
        oid = repo.resolve(revision)
        if oid is None:
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        headers, data = {"X-Repo-Commit": oid, "Accept-Ranges": "bytes"}, repo.commits[oid].get(path)
        if data is None:
            return self._error(404, "EntryNotFound", "Entry not found", headers)
        if not is_large(path):
            return self._send(headers={**headers, "ETag": f'"{blob(data)}"', "Content-Type": "text/plain"}, data=data)
        oid = hashlib.sha256(data).hexdigest()
        self.hub.large[oid] = data
        # Another host name, as on the real Hub: the client stops following redirects there to read the headers.
        place = self.hub.url.replace("127.0.0.1", "localhost")
        more = {"Location": f"{place}/large/{oid}", "X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data))}
        self.planned = None
        self._send(status=302, headers=headers | more, data=b"")

    def _about(
        self, name: str, what: str | None, revision: str | None, rest: str | None, query: dict[str, Any], body: bytes
    ) -> None:
        if (repo := self._repo(name)) is None:
            return None
        if repo.gated and not self._known and what in ("tree", "paths-info"):
            return self._error(403, "GatedRepo", "Access to dataset is restricted")
        oid = repo.resolve(revision or "main")
        if oid is None:
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = repo.commits[oid]
        if what in (None, "revision"):
            plain = name.removeprefix("models/").removeprefix("spaces/")
            info = {
                "_id": "1",
                "id": plain,
                "modelId": plain,
                "sha": oid,
                "private": repo.private,
                "gated": repo.gated,
                "tags": [],
            }
            return self._send({**info, "siblings": [{"rfilename": path} for path in files]})
        if what == "tree":
            return self._tree(files, (rest or "").rstrip("/"), "true" in str(query.get("recursive", "")).lower())
        if what == "paths-info":
            form = self.headers.get("Content-Type", "").startswith("application/json")
            wanted = json.loads(body)["paths"] if form else urllib.parse.parse_qs(body.decode())["paths"]
            return self._send([entry(path, files[path]) for path in wanted if path in files])
        if what == "refs":
            tags = [{"name": k, "ref": f"refs/tags/{k}", "targetCommit": v} for k, v in repo.tags.items()]
            heads = [{"name": k, "ref": f"refs/heads/{k}", "targetCommit": v} for k, v in repo.refs.items()]
            return self._send({"branches": heads, "tags": tags, "converts": [], "pullRequests": []})
        if what == "preupload":
            return self._send({"files": [_wanted(one["path"], files) for one in json.loads(body)["files"]]})
        if what == "commit":
            return self._commit(name, repo, revision or "main", "create_pr" in query, body)
        if what == "tag":
            tag = json.loads(body)["tag"]
            if tag in repo.tags:
                return self._error(409, "", "Tag reference exists already")
            repo.tags[tag] = oid
            return self._send()
        self._error(404, "", f"no such thing: {what}")

    def _tree(self, files: dict[str, bytes], under: str, deep: bool) -> None:
        prefix = f"{under}/" if under else ""
        inside = {path: data for path, data in files.items() if path.startswith(prefix)}
        if prefix and not inside:
            return self._error(404, "EntryNotFound", "not found")
        folders = {path.rsplit("/", i)[0] for path in inside for i in range(1, path.count("/") + 1)}
        listed: list[dict[str, Any]] = []
        listed += [{"type": "directory", "path": f, "oid": "0" * 40, "size": 0} for f in sorted(folders) if f != under]
        listed += [entry(path, data) for path, data in sorted(inside.items())]
        self._send([one for one in listed if deep or "/" not in one["path"].removeprefix(prefix)])

    def _commit(self, name: str, repo: Repo, branch: str, pull_request: bool, body: bytes) -> None:
        files, head = dict(repo.commits[repo.refs[branch]]), {}
        for line in body.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "header":
                head = value
            elif one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        if head.get("parentCommit") not in (None, repo.refs[branch]):
            return self._error(412, "", "A commit has happened since. Please refresh and try again.")
        target = f"refs/pr/{1 + sum(ref.startswith('refs/pr/') for ref in repo.refs)}" if pull_request else branch
        oid = repo.commit(target, files)
        url = f"{self.hub.url}/{name if name.startswith('spaces/') else page(name)}"
        more = {"pullRequestUrl": f"{url}/discussions/{target.rsplit('/', 1)[-1]}"} if pull_request else {}
        self._send({"success": True, "commitOid": oid, "commitUrl": f"{url}/commit/{oid}", "hookOutput": "", **more})


def _wanted(path: str, files: dict[str, bytes]) -> dict[str, Any]:
    """What the Hub wants to know before a file is uploaded."""
    data, large = files.get(path), is_large(path)
    oid = None if data is None else hashlib.sha256(data).hexdigest() if large else blob(data)
    return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Hub]:
    """A Hub while the block runs.

    Args:
        certificate: a file with a key and a certificate, if it is to speak TLS.
    """
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hub.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
