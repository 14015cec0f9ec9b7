"""Fetch the runtime of the live page: python -m tools.book.live_runtime

The page runs networks with onnxruntime-web: three files, of which npm has the one well-kept copy.
(Python packages that carry it bring a whole application along; committed, they would be 14 MB of
binary in every clone.) npm is asked for one version, and its files must have the digests below.
They stay in `book/_build/`, so a second call needs no network. A book that is built without them is
whole but for this page, which then draws and says what is missing.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from helpers.support.errors import UserError
from tools.course import ROOT, run_tool

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
THREADED = "ort-wasm-simd-threaded"
FILES = {  # SHA-256
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    f"{THREADED}.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    f"{THREADED}.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
FOLDER = ROOT / "book" / "_build" / f"{PACKAGE}-{VERSION}"
SECONDS = 300  # for 33 MB


def is_there(folder: Path = FOLDER) -> bool:
    """Whether all files are in `folder`, as they must be."""
    paths = [(folder / name, digest) for name, digest in FILES.items()]
    return all(p.is_file() and _digest(p.read_bytes()) == digest for p, digest in paths)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch(folder: Path = FOLDER) -> None:
    """Put the files into `folder`."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm, which comes with Node.js, is not installed; the live page needs it")
    with tempfile.TemporaryDirectory() as place:
        order = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--fetch-retries=0"]
        try:
            done = subprocess.run(order, cwd=place, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise UserError(f"npm took more than {SECONDS} seconds for {PACKAGE}") from error
        packed = next(Path(place).glob("*.tgz"), None)
        if done.returncode or packed is None:
            said = " ".join(done.stderr.split()) or "is there a network?"
            raise UserError(f"npm could not fetch {PACKAGE} {VERSION}: {said}")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed) as archive:
            for name, digest in FILES.items():
                member = archive.extractfile(f"package/dist/{name}")
                content = member.read() if member else b""
                if _digest(content) != digest:
                    raise UserError(f"{name} of {PACKAGE} {VERSION} is not the file expected")
                (folder / name).write_bytes(content)


def main() -> None:
    if not is_there():
        fetch()
    print(f"{PACKAGE} {VERSION} is in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    run_tool(main)
