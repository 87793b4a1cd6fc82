"""Draw docs/transcribe.svg: the terminal while `asr transcribe` works on three recordings.

The real command in a pseudo-terminal; the picture is the screen at a moment in the middle.
"""

from __future__ import annotations

import codecs
import fcntl
import io
import itertools
import os
import pty
import re
import struct
import sys
import tempfile
import termios
import wave
from collections.abc import Iterator
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

from asr_cli import audio

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "transcribe.svg"
RECORDINGS = ROOT / "models" / "english" / "recordings"
COLUMNS, LINES = 112, 14
MINUTES = {"monday.wav": 3, "tuesday.wav": 4, "wednesday.wav": 2}
ARGUMENTS = ["transcribe", "calls", "--local", "--format", "text", "--format", "srt"]
MIDDLE = re.compile(r"tuesday.wav[^\n]* [3-8]\d %")
COLOURS = {"brown": "yellow"}
"""pyte's names for what rich calls otherwise."""


def main() -> None:
    """Record, and write the picture."""
    with tempfile.TemporaryDirectory(prefix="asr-picture-") as name:
        folder = Path(name)
        _make_calls(folder / "calls")
        for screen in _screens(folder):
            if MIDDLE.search("\n".join(screen.display)):
                PICTURE.write_text(_drawn(screen), "utf-8")
                return
    sys.exit("the command never came to the middle of its work")


def _make_calls(folder: Path) -> None:
    """Three recordings of some minutes: the demo's calls, one after the other."""
    folder.mkdir()
    calls = [b"".join(audio.read(str(path))) for path in sorted(RECORDINGS.glob("call-*.flac"))]
    for turn, (name, minutes) in enumerate(MINUTES.items()):
        pcm = bytearray()
        while len(pcm) < minutes * 60 * audio.BYTES_PER_SECOND:
            pcm += calls[turn % len(calls)] + bytes(audio.BYTES_PER_SECOND)
            turn += 1
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, audio.RATE, 0, "NONE", ""))
            file.writeframes(bytes(pcm))


def _screens(folder: Path) -> Iterator[pyte.Screen]:
    """The terminal after each thing that the command wrote; the command ends with the iterator."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.Stream(screen)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        environment = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        code = f"import sys; sys.argv = ['asr', *{ARGUMENTS!r}, '--keep', {str(folder / 'keep')!r}]"
        code += "; from asr_cli.main import main; main()"
        os.execve(sys.executable, [sys.executable, "-c", code], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    try:
        stream.feed(f"$ asr {' '.join(ARGUMENTS)}\r\n")
        while data := _read(terminal):
            stream.feed(decoder.decode(data))
            yield screen
    finally:
        os.close(terminal)  # hangs up: the command ends
        os.waitpid(child, 0)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux's way to say that the other side is closed
        return b""


def _drawn(screen: pyte.Screen) -> str:
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    last = max(number for number, line in enumerate(screen.display) if line.strip())
    for number in range(last + 1):
        cells = [screen.buffer[number][column] for column in range(COLUMNS)]
        line = Text()
        for style, run in itertools.groupby(cells, _style):
            line.append("".join(cell.data for cell in run), style)
        line.rstrip()
        console.print(line, no_wrap=True, crop=True)
    picture = console.export_svg(title="asr transcribe")
    # The reader's own fixed-width font will do: the picture loads nothing from anywhere.
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


def _style(cell: pyte.screens.Char) -> str:
    colour = COLOURS.get(cell.fg, cell.fg)
    if re.fullmatch(r"[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    bold = "bold " if cell.bold else ""
    return bold + ("" if colour == "default" else colour.replace("bright", "bright_"))


if __name__ == "__main__":
    main()
