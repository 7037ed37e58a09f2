"""A headless Chromium with a profile of its own, asked over its debugging pipe.

It must not know what the pages do. No driver and no debugging port: the DevTools protocol on
the two descriptors that Chromium inherits, one JSON object per message, each ended by a zero byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from support.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

NAMES = ("chromium", "chromium-browser", "google-chrome")
PAGE_FOLDER = ROOT / "tests/e2e/browser"
ANSWER_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
LONGEST_MESSAGE = 16 * 2**20

Answer = asyncio.Future[dict[str, Any]]

# Chromium reads its orders from descriptor 3 and writes its answers to descriptor 4.
ON_PIPES = ("/bin/sh", "-c", 'exec 3<&0 4>&1 0</dev/null 1>&2; exec "$@"', "sh")
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    # No word to anybody outside: tests run where nobody can be reached.
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--autoplay-policy=no-user-gesture-required",
    # A browser cannot be handed a private authority on the command line.
    "--ignore-certificate-errors",
    # Containers have a /dev/shm of 64 MB.
    "--disable-dev-shm-usage",
    # A machine of tests may have no other interface. Then Chromium cannot give its addresses
    # names by mDNS, and elsewhere the names would be told to the whole network.
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


def missing() -> str:
    """Return why there can be no test in a browser, empty if there can."""
    if find() is None:
        return "needs chromium: apt-get install chromium"
    if not (PAGE_FOLDER / "node_modules/mqtt/dist/mqtt.min.js").exists():
        return f"needs mqtt.js: npm ci --ignore-scripts in {PAGE_FOLDER.relative_to(ROOT)}"
    return ""


def find() -> str | None:
    """Return the path of an installed Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class PageError(Exception):
    """A page raised, or does not exist any more."""


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the page's window and return what it, or its promise, gives."""
        text = ", ".join(json.dumps(argument) for argument in arguments)
        answer = await self._browser.order(
            "Runtime.evaluate",
            session=self._session,
            expression=f"window.{function}({text})",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            raise PageError(answer["exceptionDetails"]["exception"].get("description", answer))
        return answer["result"].get("value")

    async def open(self, url: str) -> None:
        """Go to an address and wait until its scripts have run."""
        await self._browser.order("Page.enable", session=self._session)
        loaded = self._browser.expect("Page.loadEventFired", self._session)
        answer = await self._browser.order("Page.navigate", session=self._session, url=url)
        if "errorText" in answer:
            raise PageError(f"{url}: {answer['errorText']}")
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await loaded

    async def close(self) -> None:
        """Close the tab as a person does, without a word to the page."""
        await self._browser.order("Target.closeTarget", targetId=self._target)


class Chromium:
    """One browser process with its children; an asynchronous context manager."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        """``command`` runs it on another host."""
        self._command = tuple(command)
        self._profile = Path(tempfile.mkdtemp(prefix="mqcam-chromium-"))
        self._numbers = itertools.count(1)
        self._answers: dict[int, Answer] = {}
        self._events: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def page(self, url: str) -> Page:
        """Open a tab and wait until the scripts of its page have run."""
        # A window of its own: Chromium draws no video in a tab behind another.
        blank = await self.order("Target.createTarget", url="about:blank", newWindow=True)
        target = blank["targetId"]
        answer = await self.order("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, target, answer["sessionId"])
        await page.open(url)
        return page

    async def order(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Give an order and return its answer; fails after 20 s."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the browser does not run")
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer: Answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\0")
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        finally:
            del self._answers[number]

    def expect(self, method: str, session: str) -> asyncio.Future[None]:
        """Return what is done at the next event of this name."""
        return self._events.setdefault(
            (method, session), asyncio.get_running_loop().create_future()
        )

    async def __aenter__(self) -> Self:
        found = find()
        if found is None:
            raise RuntimeError(missing())
        # Chromium's own sandbox refuses root.
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        with (self._profile / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *ON_PIPES,
                found,
                *FLAGS,
                *sandbox,
                f"--user-data-dir={self._profile}",
                "about:blank",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LONGEST_MESSAGE,
                start_new_session=True,
            )
        self._reader = asyncio.create_task(self._read(), name="chromium")
        try:
            await self.order("Browser.getVersion")
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(PageError, TimeoutError):
            await self.order("Browser.close")
        await self._stop()

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                self._take(json.loads((await self._process.stdout.readuntil(b"\0"))[:-1]))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(PageError(f"the browser ended:\n{self._log()}"))

    def _take(self, message: dict[str, Any]) -> None:
        event = self._events.pop((message.get("method", ""), message.get("sessionId", "")), None)
        if event is not None:
            event.set_result(None)
        answer = self._answers.get(message.get("id", 0))
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(PageError(message["error"]["message"]))
        else:
            answer.set_result(message["result"])

    def _log(self) -> str:
        return (self._profile / "log").read_text("utf-8", "replace")

    async def _stop(self) -> None:
        if self._process is None or self._process.stdin is None or self._reader is None:
            return
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            # Its session is its own, so that nobody else is in the group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        await self._reader
        self._process = None
        shutil.rmtree(self._profile, ignore_errors=True)
