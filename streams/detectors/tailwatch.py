"""TailWatch: five residuals of a series, each judged by its own streaming tail."""

from array import array
from math import log, sqrt
from struct import Struct

from streams.detectors.base import MAX_NATS, Detector, Expectation

_HEAD = Struct("<BBHQ11d")
_VERSION = 1
_TRACKERS = 9
_CAUSES = ("spike", "spike", "jump", "jump", "level", "level", "time of day", "time of day", "spread")


class TailWatch(Detector):
    """Score readings by how far they lie in the tails of five residuals.

    Args:
        warm_up: Readings before the first score.
        tail: Share of readings regarded as the tail of a residual.
    """

    __slots__ = (
        "_acc", "_bin", "_buffer", "_cnt", "_e", "_m0", "_m1", "_ms", "_n", "_pc", "_pm", "_px", "_q", "_sc",
        "_step", "_sv", "_why", "tail", "warm_up",
    )  # fmt: skip

    def __init__(self, warm_up: int = 100, tail: float = 0.03) -> None:
        self.warm_up = warm_up
        self.tail = tail
        self._n = 0
        self._px = self._step = self._m0 = self._m1 = self._ms = self._sv = self._acc = 0.0
        self._bin = self._why = -1
        self._cnt = 0
        self._pm = array("d", bytes(8 * 24))
        self._pc = array("d", bytes(8 * 24))
        self._q = array("d", bytes(8 * _TRACKERS))
        self._e = array("d", bytes(8 * _TRACKERS))
        self._sc = array("d", bytes(8 * _TRACKERS))
        self._buffer: array[float] | None = array("d")

    @property
    def seen(self) -> int:
        """Readings learned so far."""
        return self._n

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over."""
        return self._n >= self.warm_up

    def surprise(self, value: float, time: float) -> float:
        """Score a reading, then learn it: surprise in nats."""
        x = value
        n = self._n
        self._n = n + 1
        if n == 0:
            self._m0 = self._m1 = self._ms = x
        inv = 1.0 / (n + 1)
        r0 = x - self._m0
        r1 = x - self._m1
        self._m0 += (0.002 if inv < 0.002 else inv) * r0
        a = 0.03 if inv < 0.03 else inv
        self._m1 += a * r1
        r2 = self._m1 - self._ms
        self._ms += (0.001 if inv < 0.001 else inv) * (x - self._ms)
        self._sv += a * (r1 * r1 * (1 - a) - self._sv)
        r4 = sqrt(self._sv) if self._sv > 0.0 else 0.0
        b = int(time % 86400.0) // 3600
        r3 = x - self._pm[b] if self._pc[b] else 0.0
        if b != self._bin:
            last = self._bin
            if last >= 0:
                self._pc[last] += 1.0
                g = 1.0 / self._pc[last]
                self._pm[last] += (0.05 if g < 0.05 else g) * (self._acc / self._cnt - self._pm[last])
            self._bin = b
            self._acc = x
            self._cnt = 1
        else:
            self._acc += x
            self._cnt += 1
        resolution = self._step if self._step > 1e-12 else 1e-12
        dx = abs(x - self._px)
        self._px = x
        if n and dx > 0.0 and (dx < self._step or self._step == 0.0):
            self._step = dx
        residuals = (r0, -r0, r1, -r1, r2, -r2, r3, -r3, r4)
        if n < self.warm_up:
            self._learn_warm_up(residuals)
            return 0.0
        q = self._q
        e = self._e
        sc = self._sc
        best = 0.0
        p = self.tail / 2
        for k, v in enumerate(residuals):
            if v < 0.0:
                v = 0.0
            if k == 8:
                p = self.tail
            s = sc[k]
            qk = q[k]
            if v > qk:
                if qk < resolution:
                    qk = resolution
                ex = log(v / qk) if v > qk else 0.0
                ek = e[k]
                if ek < 0.07:
                    ek = 0.07
                u = ex / ek
                if u > MAX_NATS:
                    u = MAX_NATS
                u -= log(p)
                if u > best:
                    best = u
                    self._why = k
                c = 4.0 * ek
                e[k] += 0.02 * ((ex if ex < c else c) - e[k])
                q[k] += 0.02 * s * (1 - p)
            else:
                qk -= 0.02 * s * p
                q[k] = qk if qk > 0 else 0.0
            sc[k] = s + 0.002 * (v - s)
        return best

    def _learn_warm_up(self, residuals: tuple[float, ...]) -> None:
        buffer = self._buffer
        assert buffer is not None
        buffer.extend(v if v > 0.0 else 0.0 for v in residuals)
        if self._n < self.warm_up:
            return
        n = self.warm_up
        for k in range(_TRACKERS):
            w = sorted(buffer[k::_TRACKERS])
            p = self.tail / 2 if k < 8 else self.tail
            q = w[min(n - 1, int((1 - p) * n))]
            ex = [log(v / q) for v in w if v > q > 0]
            self._q[k] = q
            self._e[k] = sum(ex) / len(ex) if ex else 0.1
            self._sc[k] = sum(w) / n
        self._buffer = None

    def peek_surprise(self, value: float, time: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        twin = TailWatch(self.warm_up, self.tail)
        twin.decode(self.encode())
        return twin.surprise(value, time)

    def explain(self, nats: float) -> Expectation:
        """Tell what was expected of the reading seen last."""
        k = max(self._why, 0)
        reach = max(self._q[0], self._q[1], self._step)
        direction = "above" if k in (0, 2, 4, 6, 8) else "below"
        return Expectation(self._m0, self._m0 - reach, self._m0 + reach, direction, _CAUSES[k])

    def encode(self) -> bytes:
        """Return the state."""
        head = _HEAD.pack(
            _VERSION, self._bin & 0xFF, self._cnt & 0xFFFF, self._n, self._px, self._step, self._m0, self._m1,
            self._ms, self._sv, self._acc, float(self._why), 0.0, 0.0, 0.0,
        )  # fmt: skip
        parts = [head, *(part.tobytes() for part in (self._pm, self._pc, self._q, self._e, self._sc))]
        if self._buffer is not None:
            parts.append(self._buffer.tobytes())
        return b"".join(parts)

    def decode(self, data: bytes) -> None:
        """Take over an encoded state."""
        size = _HEAD.size + 8 * (48 + 3 * _TRACKERS)
        if len(data) < size or data[0] != _VERSION:
            raise ValueError(f"not a state of TailWatch: {len(data)} bytes")
        (_, bin_, self._cnt, self._n, self._px, self._step, self._m0, self._m1, self._ms, self._sv, self._acc,
         why, _, _, _) = _HEAD.unpack_from(data)  # fmt: skip
        self._bin = -1 if bin_ == 0xFF else bin_
        self._why = int(why)
        at = _HEAD.size
        for name, count in (("_pm", 24), ("_pc", 24), ("_q", 9), ("_e", 9), ("_sc", 9)):
            setattr(self, name, array("d", data[at : at + 8 * count]))
            at += 8 * count
        self._buffer = array("d", data[at:]) if self._n < self.warm_up else None
