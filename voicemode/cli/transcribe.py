"""``voicemode transcribe``: audio files to text, and what could not be transcribed at the time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from voicemode.cli.failure import FAILED, printable, tell
from voicemode.cli.output import about
from voicemode.errors import RequestError, VoicemodeError
from voicemode.load_config import load_from_process
from voicemode.runtime.arguments import language_tag

if TYPE_CHECKING:  # numpy, PyAV and the engines take time to load, which --help and completion must not wait for
    from voicemode.assemble import Ears
    from voicemode.cli.transcript_writer import FileResult, TranscriptWriter
    from voicemode.engines.sound_file import SoundFile

__all__ = ["EXAMPLES", "transcribe"]

EXAMPLES = """\
Examples:
  voicemode transcribe meeting.mp3
  voicemode transcribe talk.mp4 --format srt --output talk.srt
  voicemode transcribe *.ogg --json
  cat note.wav | voicemode transcribe -
  voicemode transcribe --pending                      what waits
"""

_FORMATS = ("text", "json", "srt", "vtt")
_ENDINGS = {"text": "txt"}


def transcribe(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Audio or video files; '-' is standard input.", show_default=False, metavar="FILE..."),
    ] = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="Transcribe the recordings that wait, oldest first, and remove each once printed.")
    ] = False,
    shape: Annotated[
        str, typer.Option("--format", help="One of text, json, srt, vtt.", metavar="FORMAT", show_default=False)
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(help="Write to this file; with several files, into this folder.", metavar="PATH"),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Such as en or pt-BR.", metavar="TAG")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Turn audio files into text with times.

    The words go to standard output as they come, everything else to standard error.

    The exit status is 1 when anything is missing: a gap is marked in place, and what there is is kept.
    """
    loaded = load_from_process(os.environ)
    tag = language_tag(language or loaded.settings.language)
    chosen = _format(shape, as_json=as_json)
    if pending:
        if files or output is not None or chosen in ("srt", "vtt"):
            raise RequestError("--pending", "it takes no files, no --output and no subtitles", "--format text or json")
        raise typer.Exit(asyncio.run(_transcribe_pending(tag, as_json=chosen == "json")))
    if not files:
        raise RequestError("FILE", "there is none", "one or more audio files, '-', or --pending")
    raise typer.Exit(_Job(files, chosen, output, tag).run())


def _format(shape: str, *, as_json: bool) -> str:
    if as_json and shape not in ("", "json"):
        raise RequestError("--format", f"'{shape}' contradicts --json")
    chosen = "json" if as_json else shape or "text"
    if chosen not in _FORMATS:
        raise RequestError("--format", f"'{chosen[:40]}' is not a format", ", ".join(_FORMATS))
    return chosen


# -- files


class _Job:
    """Some files in one format."""

    def __init__(self, files: Sequence[str], kind: str, output: Path | None, language: str | None) -> None:
        """Raises RequestError."""
        several = len(files) > 1
        if several and output is not None and not output.is_dir():
            raise RequestError("--output", f"'{output}' is not a folder", "with several files, a folder that exists")
        if several and output is None and kind in ("srt", "vtt"):
            raise RequestError("--format", "subtitles of several files cannot go to one place", "--output FOLDER")
        self._files, self._kind, self._output, self._language = files, kind, output, language
        self._several = several
        self._results: list[FileResult] = []

    def run(self) -> int:
        """Transcribe each file; what is there is written also when Ctrl-C comes in between."""
        from voicemode.cli.transcript_writer import output_file, write_json

        try:
            asyncio.run(self._all())
        finally:
            if self._kind == "json" and (self._output is None or not self._several):
                facts = [each.facts() for each in self._results]
                with output_file(self._output) as out:
                    write_json(facts if self._several else next(iter(facts), {}), out)
        for each in self._results:
            _remark(each)
        return 0 if all(each.complete for each in self._results) else FAILED

    async def _all(self) -> None:
        # Here and not above: see TYPE_CHECKING.
        from voicemode.assemble import build_ears
        from voicemode.cli.transcript_writer import FileResult

        ears = build_ears(load_from_process(os.environ), os.environ)
        try:
            await ears.ready()
            for name in self._files:
                if self._several and self._kind == "text" and self._output is None:
                    print(f"==> {printable(name)} <==", flush=True)
                result = FileResult("standard input" if name == "-" else name)
                self._results.append(result)
                try:
                    await self._one(name, result, ears)
                except VoicemodeError as error:
                    result.error = error
        finally:
            await ears.aclose()

    async def _one(self, name: str, result: FileResult, ears: Ears) -> None:
        from voicemode.cli.transcript_writer import Format, TranscriptWriter, output_file, write_json
        from voicemode.engines.sound_file import SoundFile, open_sound

        opened = contextlib.closing(SoundFile(sys.stdin.buffer, "standard input")) if name == "-" else open_sound(Path(name))
        with opened as sound:
            result.seconds = sound.seconds
            if self._kind == "json":
                await self._listen(sound, result, ears, None)
                if self._several and self._output is not None:
                    with output_file(self._place(name)) as out:
                        write_json(result.facts(), out)
                return
            with output_file(self._place(name)) as out:
                writer = TranscriptWriter(Format(self._kind), out)
                try:
                    await self._listen(sound, result, ears, writer)
                finally:
                    if result.pieces and not result.finished:
                        writer.break_off()
                    if result.pieces or result.finished:
                        writer.close()

    def _place(self, name: str) -> Path | None:
        if self._output is None or not self._several:
            return self._output
        ending = _ENDINGS.get(self._kind, self._kind)
        return self._output / f"{'standard-input' if name == '-' else Path(name).name}.{ending}"

    async def _listen(self, sound: SoundFile, result: FileResult, ears: Ears, writer: TranscriptWriter | None) -> None:
        from voicemode.runtime.file_transcription import LostPiece, transcribe_blocks

        streams = writer is not None and self._output is None
        with _progress(sound, streams=streams) as on_progress:
            pieces = transcribe_blocks(
                sound.blocks(), ears.make_detector(), ears.transcriber, language=self._language, on_progress=on_progress
            )
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    if isinstance(piece, LostPiece):
                        result.lost.append(piece)
                    else:
                        result.pieces.append(piece)
                    if writer is not None:
                        writer.add(piece)
        result.finished = True


@contextlib.contextmanager
def _progress(sound: SoundFile, *, streams: bool) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, unless the words themselves appear there."""
    screen = about()
    if not screen.is_terminal or (streams and sys.stdout.isatty()):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(printable(Path(sound.name).name), total=sound.seconds)
        yield lambda seconds: bar.update(task, completed=seconds)


def _remark(result: FileResult) -> None:
    """Everything about a file that is not its words."""
    from voicemode.cli.transcript_writer import clock

    screen = about()
    for reason in dict.fromkeys(reason for piece in result.pieces for reason in piece.failed):
        screen.print(f"Tried before: {printable(reason)}", style="dim", soft_wrap=True)
    for lost in result.lost:
        until = "the end" if lost.end is None else clock(lost.end)
        where = f"{printable(result.name)}, {clock(lost.start)} to {until}"
        screen.print(f"{where}: not transcribed. {printable(str(lost.error))}", soft_wrap=True)
    if result.error is not None:
        tell(result.error)
    elif not result.pieces and not result.lost:
        screen.print(f"{printable(result.name)}: nobody speaks in it.", soft_wrap=True)
    elif not result.lost and not any(piece.text for piece in result.pieces):
        screen.print(f"{printable(result.name)}: there was a sound, but no words were recognised.", soft_wrap=True)
    _remark_on_quality(result, screen.print)


def _remark_on_quality(result: FileResult, say: Callable[..., None]) -> None:
    from voicemode.engines.builtin import BETTER_STT

    poor = [piece for piece in result.pieces if piece.text and piece.confidence == "low"]
    if poor:
        engines = ", ".join(dict.fromkeys(printable(piece.engine) for piece in poor))
        share = f"{len(poor)} of {len(result.pieces)} pieces"
        say(f"{share} by {engines}, which gets about one word in three wrong. A better one: {BETTER_STT}", soft_wrap=True)


# -- recordings that wait


async def _transcribe_pending(language: str | None, *, as_json: bool) -> int:
    from voicemode.assemble import build_ears

    ears = build_ears(load_from_process(os.environ), os.environ)
    waiting = _Waiting(ears, language, as_json=as_json)
    try:
        await ears.ready()
        for handle in ears.journal.pending():
            await waiting.transcribe(handle)
    finally:
        waiting.finish()
        await ears.aclose()
    return FAILED if waiting.left else 0


class _Waiting:
    """The recordings that wait: each is removed once its words have been printed."""

    def __init__(self, ears: Ears, language: str | None, *, as_json: bool) -> None:
        self._ears, self._language, self._as_json = ears, language, as_json
        self._done: list[dict[str, Any]] = []
        self._printed_later: list[Path] = []
        """With JSON all is printed at the end, and removed after it."""
        self.left: list[dict[str, Any]] = []

    async def transcribe(self, handle: str) -> None:
        from voicemode.interfaces import TranscriptionRequest

        journal = self._ears.journal
        path = journal.path_of(handle)
        if not journal.claim(path):
            if path.exists():
                self._leave(handle, "busy", "another voicemode process is transcribing it now")
            return
        try:
            utterance = await asyncio.to_thread(journal.load, path)
            transcript = await self._ears.transcriber.transcribe(TranscriptionRequest(utterance, self._language))
        except (VoicemodeError, OSError) as error:
            journal.release(path)
            self._leave(handle, error.code if isinstance(error, VoicemodeError) else "unreadable", str(error))
            return
        except BaseException:  # Ctrl-C: it still waits
            journal.release(path)
            raise
        facts = {"text": transcript.text, "engine": transcript.engine, "confidence": transcript.confidence}
        name = _name(handle)
        self._done.append(name | {"seconds": round(utterance.seconds, 3)} | facts)
        if self._as_json:
            self._printed_later.append(path)
            return
        words = printable(transcript.text) or "[no words were recognised]"
        print(f"{handle} ({name['recorded_at'] or 'time unknown'}): {words}", flush=True)
        journal.discard(path)
        for reason in transcript.failed:
            about().print(f"Tried before: {printable(reason)}", style="dim", soft_wrap=True)

    def finish(self) -> None:
        """Print what is to be printed as a whole."""
        if self._as_json:
            from voicemode.cli.transcript_writer import write_json

            write_json({"transcribed": self._done, "left": self.left}, sys.stdout)
            for path in self._printed_later:
                self._ears.journal.discard(path)
        elif not self._done and not self.left:
            about().print("No recording waits.")

    def _leave(self, handle: str, code: str, error: str) -> None:
        self.left.append(_name(handle) | {"code": code, "error": error})
        about().print(f"{handle} still waits: {printable(error)}", soft_wrap=True)


def _name(handle: str) -> dict[str, Any]:
    from voicemode.runtime.journal import recorded_at

    return {"handle": handle, "recorded_at": recorded_at(handle)}
