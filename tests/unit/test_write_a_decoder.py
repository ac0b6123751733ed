"""The commands of docs/howto/write-a-decoder.md, as they stand there, on the files that stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.documented import ROOT, blocks_of, commands_of, lines_like

PAGE = "docs/howto/write-a-decoder.md"
INSTALL = "pip install ."
# Into a folder of the test's own, with what is here: the page's reader has a network.
INSTALL_HERE = f"{sys.executable} -m pip install --no-build-isolation --no-deps --target site ."


def test_the_decoder_of_the_page_is_checked_mended_installed_and_used(tmp_path: Path) -> None:
    decoder, mended = (content for language, content in blocks_of(PAGE) if language == "python")
    map_, project = (content for language, content in blocks_of(PAGE) if language == "toml")
    package = tmp_path / "weir_probe"
    package.mkdir()
    for file, text in (("__init__.py", decoder), ("probe.toml", map_), ("../pyproject.toml", project)):
        (package / file).write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{tmp_path / 'site'}",
    }
    checks = 0
    for command in commands_of(PAGE):
        if command.text.startswith("weir plugin check"):
            checks += 1
            if checks == 2:
                unmended, (line,) = decoder, re.findall(r"^    while .*\n", decoder, re.MULTILINE)
                (package / "__init__.py").write_text(unmended.replace(line, mended), encoding="utf-8")
        done = subprocess.run(
            ["bash", "-c", command.text.replace(INSTALL, INSTALL_HERE)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == (1 if checks == 1 and "check" in command.text else 0), said
        assert lines_like(command.output, said) == [], f"{command.text}\n{said}"
    assert checks == 3
