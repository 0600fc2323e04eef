#!/usr/bin/env python3
"""lsmdump - independent reader for LSM1 database files (SQLite ext/lsm1 format).

It shares no code with any implementation: it was written from the format
description in docs/format.md and is meant as an oracle.

  lsmdump.py FILE                 meta pages, chosen checkpoint, levels, free list
  lsmdump.py FILE --pages         ... plus every page of every segment
  lsmdump.py FILE --cells         ... plus every cell of every page
  lsmdump.py FILE --page N        one page (by page id), decoded
  lsmdump.py FILE --scan          "hexkey<TAB>hexvalue" of the live user entries
  lsmdump.py FILE --scan --no-log ... of the database file alone (ignore FILE-log)
  lsmdump.py FILE --check         structural verification; exit status 1 if bad
  lsmdump.py FILE --meta N        use meta page N (1 or 2) instead of choosing

Compressed databases need a codec for the compression id in the checkpoint; see
CODECS below (10101 = "zrle", 10102 = zlib; the fixtures use these).
Pure standard library, Python 3.8+.
"""
import argparse
import bisect
import os
import struct
import sys
import zlib

# ---------------------------------------------------------------- constants
META_PAGE_SIZE = 4096          # two of them start the file
META_RW_SIZE = 4096 - 30       # bytes of a meta page that are read and written
START_DELETE, END_DELETE, POINT_DELETE, INSERT = 0x01, 0x02, 0x04, 0x08
SEPARATOR, SYSTEMKEY = 0x10, 0x20
CONTIGUOUS = 0x40              # in-memory bit that C lsm1 leaks to disk; ignore it
PG_BTREE, PG_SKIP_NEXT, PG_SKIP_THIS = 0x0001, 0x0002, 0x0004
LEVEL_FREELIST_ONLY, LEVEL_INCOMPLETE = 0x0001, 0x0002
MAX_REDIRECT, MAX_FREELIST, MAX_RHS, APPLIST = 16, 24, 40, 4
MASK32 = 0xFFFFFFFF


class Corrupt(Exception):
    """The file violates the format."""


def need(cond, msg):
    if not cond:
        raise Corrupt(msg)


# ------------------------------------------------------------------- codecs
def unzrle(src, limit):
    """zrle: byte 00 + count byte n (1..255) = n zero bytes; others are literal."""
    out, i = bytearray(), 0
    while i < len(src):
        if src[i] == 0:
            need(i + 1 < len(src) and src[i + 1] > 0, "zrle: bad run")
            out += bytes(src[i + 1])
            i += 2
        else:
            out.append(src[i])
            i += 1
        need(len(out) <= limit, "zrle: output longer than a page")
    return bytes(out)


def unzlib(src, limit):
    try:
        out = zlib.decompressobj().decompress(src, limit + 1)
    except zlib.error as e:
        raise Corrupt("zlib: %s" % e)
    return out


CODECS = {10101: unzrle, 10102: unzlib}


# ------------------------------------------------------------------ varints
def varint(b, i):
    """SQLite4 varint at b[i]; returns (unsigned 64-bit value, next index)."""
    need(i < len(b), "varint past end of buffer")
    a = b[i]
    n = 1 if a <= 240 else 2 if a <= 248 else a - 246
    need(i + n <= len(b), "varint past end of buffer")
    if a <= 240:
        return a, i + 1
    if a <= 248:
        return (a - 241) * 256 + b[i + 1] + 240, i + 2
    if a == 249:
        return 2288 + 256 * b[i + 1] + b[i + 2], i + 3
    return int.from_bytes(b[i + 1:i + n], "big"), i + n


def varint_s64(b, i):
    """Varint as a signed 64-bit number (page pointers and pointer deltas)."""
    v, i = varint(b, i)
    return (v - (1 << 64) if v >> 63 else v), i


def varint_len(b, i, what):
    """Varint used as a byte count: must fit a non-negative signed 32-bit int."""
    v, i = varint(b, i)
    need(v <= 0x7FFFFFFF, "%s out of range: %d" % (what, v))
    return v, i


# -------------------------------------------------------------- checkpoints
def ckpt_checksum(a):
    """a: all integers of the checkpoint including the 2 checksum slots."""
    n = len(a)
    c1, c2 = 1, 2
    if n % 2:
        c1 = (c1 + (a[n - 3] & 0x0000FFFF)) & MASK32
        c2 = (c2 + (a[n - 3] & 0xFFFF0000)) & MASK32
    i = 0
    while i + 3 < n:
        c1 = (c1 + c2 + a[i]) & MASK32
        c2 = (c2 + c1 + a[i + 1]) & MASK32
        i += 2
    return c1, c2


class Segment:
    """One sorted run."""

    def __init__(self, first, last, root, size):
        self.first, self.last, self.root, self.size = first, last, root, size
        self.redirect = []

    def __str__(self):
        return "first=%d last=%d root=%d size=%d" % (self.first, self.last, self.root, self.size)


class Level:
    """One level; if rhs is not empty a merge of rhs into lhs is in progress."""

    def __init__(self):
        self.age = self.flags = 0
        self.lhs = None
        self.rhs = []
        self.nskip = 0
        self.inputs = []        # [(page, cell)] where each merge input stands
        self.splitkey = (0, 0)  # (page, cell) of first key not yet merged
        self.curptr = 0


class Checkpoint:
    """A decoded checkpoint blob (list of host-order 32-bit integers)."""

    def __init__(self, a):
        self.raw = a
        pos = [0]

        def u32():
            need(pos[0] < len(a) - 2, "checkpoint blob too short")
            pos[0] += 1
            return a[pos[0] - 1]

        def i64():
            hi = u32()
            v = (hi << 32) | u32()
            return v - (1 << 64) if v >> 63 else v

        self.id = i64()
        self.nint, self.cmpid, self.nblock, self.blksz = u32(), u32(), u32(), u32()
        nlevel, self.pgsz, self.nwrite = u32(), u32(), u32()
        self.logoff = i64()                 # (byte offset << 1) | toggle bit
        self.logck = (u32(), u32())
        self.append = [i64() for _ in range(APPLIST)]
        self.levels = []
        for _ in range(nlevel):
            lv = Level()
            v = u32()
            lv.age, lv.flags = v & 0xFFFF, v >> 16
            nright = u32()
            need(nright <= MAX_RHS, "nRight=%d" % nright)
            seg = lambda: Segment(i64(), i64(), i64(), i64())
            lv.lhs = seg()
            lv.rhs = [seg() for _ in range(nright)]
            if nright:
                ninput = u32()
                need(ninput in (nright, nright + 1), "nInput=%d nRight=%d" % (ninput, nright))
                lv.nskip = u32()
                lv.inputs = [(i64(), u32()) for _ in range(ninput)]
                lv.splitkey = (i64(), u32())
                lv.curptr = i64()
            self.levels.append(lv)
        n = u32()
        need(n <= MAX_REDIRECT, "redirect count %d" % n)
        self.redirect = [(u32(), u32()) for _ in range(n)]
        n = u32()
        self.freelist = [(u32(), i64()) for _ in range(n)]  # (block, id); id -1 = delete
        need(pos[0] == len(a) - 2, "checkpoint has %d unread integers" % (len(a) - 2 - pos[0]))
        # Redirections apply to the oldest segment of the database only.
        if self.redirect:
            need(self.levels, "redirections but no level")
            lv = self.levels[-1]
            (lv.rhs[-1] if lv.rhs else lv.lhs).redirect = self.redirect


def load_meta(f, n):
    """Read meta page n. Returns (id, ints or None, reason)."""
    f.seek((n - 1) * META_PAGE_SIZE)
    d = f.read(META_RW_SIZE)
    d += bytes(META_RW_SIZE - len(d))
    cid, nint = struct.unpack(">qI", d[:12])
    if nint < 25 or nint > META_RW_SIZE // 4:
        return cid, None, "nInt=%d out of range" % nint
    a = list(struct.unpack(">%dI" % nint, d[:nint * 4]))
    ck = ckpt_checksum(a)
    if ck != (a[-2], a[-1]):
        return cid, None, "bad checksum: stored %08x %08x, computed %08x %08x" % (a[-2], a[-1], *ck)
    return cid, a, "ok (%d integers, checksum %08x %08x)" % (nint, *ck)


# -------------------------------------------------------------------- pages
class Page:
    """A decoded page. data = usable bytes (block pointers stripped)."""

    def __init__(self, pgno, data, total):
        self.pgno, self.data, self.total = pgno, data, total
        n = len(data)
        self.nrec, self.flags = struct.unpack(">H", data[n - 2:])[0], struct.unpack(">H", data[n - 4:n - 2])[0]
        self.ptr = struct.unpack(">q", data[n - 12:n - 4])[0]
        self.eof = n - 12 - 2 * self.nrec   # end of the cell content area
        need(self.eof >= 0, "page %d: nRec=%d too large" % (pgno, self.nrec))
        self.off = []
        for i in range(self.nrec):
            o = struct.unpack(">H", data[n - 14 - 2 * i:n - 12 - 2 * i])[0]
            need(o < self.eof, "page %d cell %d: offset %d >= %d" % (pgno, i, o, self.eof))
            need(i == 0 or o > self.off[-1], "page %d cell %d: offsets not ascending" % (pgno, i))
            self.off.append(o)

    @property
    def btree(self):
        return bool(self.flags & PG_BTREE)


class Cell:
    __slots__ = ("flags", "ptr", "key", "val", "ref", "pgno", "icell")


class Lsm:
    def __init__(self, path, meta=0):
        self.path = path
        self.f = open(path, "rb")
        self.fsize = os.path.getsize(path)
        self.meta = {n: load_meta(self.f, n) for n in (1, 2)}
        # The larger id wins (ties: page 1); the other one is the fallback.
        order = [meta] if meta else ([2, 1] if self.meta[2][0] > self.meta[1][0] else [1, 2])
        self.ckpt, self.meta_used = None, 0
        for n in order:
            if self.meta[n][1] is not None:
                self.ckpt, self.meta_used = Checkpoint(self.meta[n][1]), n
                break
        if self.ckpt:
            c = self.ckpt
            need(256 <= c.pgsz <= 65536 and c.pgsz & (c.pgsz - 1) == 0, "page size %d" % c.pgsz)
            need(65536 <= c.blksz <= 65536 * 1024 and c.blksz & (c.blksz - 1) == 0, "block size %d" % c.blksz)
            self.pgsz, self.blksz, self.ppb = c.pgsz, c.blksz, c.blksz // c.pgsz
            self.compressed = c.cmpid not in (0, 1)
            if self.compressed:
                self.codec = CODECS.get(c.cmpid)
                need(self.codec, "no codec for compression id %d" % c.cmpid)
        self.cache = {}

    # ---- geometry
    def first_page(self, blk):
        if self.compressed:
            return 2 * META_PAGE_SIZE + 4 if blk == 1 else self.blksz * (blk - 1) + 4
        if blk == 1:
            return 1 + (2 * META_PAGE_SIZE + self.pgsz - 1) // self.pgsz
        return 1 + (blk - 1) * self.ppb

    def last_page(self, blk):
        return self.blksz * blk - 5 if self.compressed else blk * self.ppb

    def block_of(self, pg):
        return pg // self.blksz + 1 if self.compressed else 1 + (pg - 1) // self.ppb

    def redirect_block(self, seg, blk):
        for a, b in seg.redirect:
            if a == blk:
                return b
        return blk

    def redirect_page(self, seg, pg):
        blk = self.block_of(pg)
        for a, b in seg.redirect:
            if a == blk:
                unit = self.blksz if self.compressed else self.ppb
                return pg - (a - b) * unit
        return pg

    def pread(self, off, n):
        need(off >= 0 and off + n <= self.fsize, "read of %d bytes at %d beyond end of file" % (n, off))
        self.f.seek(off)
        return self.f.read(n)

    def next_block(self, seg, blk):
        """Follow the next-block pointer in the last 4 bytes of block blk."""
        v = struct.unpack(">I", self.pread(self.redirect_block(seg, blk) * self.blksz - 4, 4))[0]
        need(1 <= v <= self.ckpt.nblock, "block %d: next-block pointer %d" % (blk, v))
        return self.redirect_block(seg, v)

    # ---- page access
    def page(self, seg, pg):
        """Load page id pg of segment seg (redirections applied)."""
        pg = self.redirect_page(seg, pg)
        if pg in self.cache:
            return self.cache[pg]
        need(self.first_page(1) <= pg and self.block_of(pg) <= self.ckpt.nblock, "page id %d out of range" % pg)
        p = self._compressed_page(seg, pg) if self.compressed else self._plain_page(pg)
        if len(self.cache) > 20000:
            self.cache.clear()
        self.cache[pg] = p
        return p

    def _plain_page(self, pg):
        d = self.pread((pg - 1) * self.pgsz, self.pgsz)
        first = pg % self.ppb == 1 or (pg < self.ppb and pg == self.first_page(1))
        last = pg % self.ppb == 0
        if first:                   # 4 byte previous-block pointer in front
            d = d[4:]
        elif last:                  # 4 byte next-block pointer behind
            d = d[:-4]
        return Page(pg, d, self.pgsz)

    def _span(self, seg, off, n):
        """Read n bytes at off, continuing in the next block if necessary.
        Returns (bytes, offset just after, not normalised across a block end)."""
        out = b""
        while True:
            end = self.last_page(self.block_of(off)) + 1
            take = min(n, end - off)
            out += self.pread(off, take)
            n -= take
            if n == 0:
                return out, off + take
            off = self.first_page(self.next_block(seg, self.block_of(off)))

    def _record_size(self, seg, pg):
        """(total record bytes, is padding) of the record at offset pg."""
        h = self.pread(pg, 1)
        if not h[0] & 0x80:
            need(1 <= h[0] < 6, "bad short padding record at %d" % pg)
            return h[0], True
        h, _ = self._span(seg, pg, 3)
        n = (h[0] & 0x7F) << 14 | (h[1] & 0x7F) << 7 | (h[2] & 0x7F)
        return n + 6, not h[1] & 0x80

    def _compressed_page(self, seg, pg):
        total, pad = self._record_size(seg, pg)
        need(not pad, "page id %d is a padding record" % pg)
        need(total - 6 < 1 << 17, "compressed size %d" % (total - 6))
        rec, _ = self._span(seg, pg, total)
        need(rec[:3] == rec[-3:], "record at %d: header and trailer differ" % pg)
        d = self.codec(rec[3:-3], self.pgsz)
        need(len(d) == self.pgsz, "record at %d: page is %d bytes" % (pg, len(d)))
        return Page(pg, d, total)

    def pages(self, seg, start=0):
        """All pages of a segment in order, beginning with page id start."""
        pg = start or seg.first
        budget = (self.ckpt.nblock + 1) * (self.blksz // (1 if self.compressed else self.pgsz))
        while True:
            need(budget > 0, "page chain of segment does not end (loop)")
            budget -= 1
            if self.compressed:
                total, pad = self._record_size(seg, pg)
                if not pad:
                    yield self.page(seg, pg)
                # Find the last byte of the record; it equals seg.last at the end.
                _, nxt = self._span(seg, pg, total)
                if nxt - 1 == seg.last:
                    return
                if nxt > self.last_page(self.block_of(nxt - 1)):
                    nxt = self.first_page(self.next_block(seg, self.block_of(nxt - 1)))
                pg = nxt
            else:
                p = self.page(seg, pg)
                yield p
                if p.pgno == seg.last:
                    return
                pg = p.pgno + 1 if p.pgno % self.ppb else self.first_page(self.next_block(seg, self.block_of(p.pgno)))

    # ---- cells
    def _body(self, seg, page, off, n):
        """n bytes of record body at offset off of page, continuing at offset 0
        of the following data pages (b-tree pages in between are skipped)."""
        if off + n <= page.eof:
            return page.data[off:off + n]
        out = bytearray(page.data[off:page.eof]) if off < page.eof else bytearray()
        skip = max(0, off - page.eof)       # body may begin on a later page
        it = self.pages(seg, page.pgno)
        next(it)
        for p in it:
            if p.btree:
                continue
            out += p.data[skip:p.eof]
            skip = max(0, skip - p.eof)
            if len(out) >= n:
                return bytes(out[:n])
        raise Corrupt("record of page %d runs past the end of its segment" % page.pgno)

    def cell(self, seg, page, i):
        need(0 <= i < page.nrec, "page %d has no cell %d" % (page.pgno, i))
        c, o, b = Cell(), page.off[i], page.data
        c.pgno, c.icell, c.val, c.ref = page.pgno, i, None, 0
        c.flags = b[o]
        area = b[:page.eof]                 # headers never cross a page end
        if page.btree:
            c.ptr, o = varint_s64(area, o + 1)      # absolute
            if c.flags == 0:                        # indirect: key is cell 0 of page ref
                c.ref, o = varint_s64(area, o)
                rp = self.page(seg, c.ref)
                need(not rp.btree, "indirect key refers to b-tree page %d" % c.ref)
                k = self.cell(seg, rp, 0)
                c.key = k.key
                c.flags = SEPARATOR | (k.flags & SYSTEMKEY)
            else:
                need(c.flags in (SEPARATOR, SEPARATOR | SYSTEMKEY), "b-tree cell type %#x" % c.flags)
                n, o = varint_len(area, o, "nKey")
                need(o + n <= page.eof, "b-tree key overflows page %d" % page.pgno)
                c.key = b[o:o + n]
            return c
        c.flags &= ~CONTIGUOUS
        need(c.flags & 0x1F and not c.flags & 0x80, "page %d cell %d: type %#x" % (page.pgno, i, b[page.off[i]]))
        d, o = varint_s64(area, o + 1)
        c.ptr = page.ptr + d                        # relative to the footer value
        nk, o = varint_len(area, o, "nKey")
        nv = 0
        if c.flags & INSERT:
            nv, o = varint_len(area, o, "nVal")
        need(nk + nv <= self.fsize * 1000, "record larger than the file")
        body = self._body(seg, page, o, nk + nv)
        c.key = body[:nk]
        if c.flags & INSERT:
            c.val = body[nk:]
        return c

    def cells(self, seg):
        for p in self.pages(seg):
            if not p.btree:
                for i in range(p.nrec):
                    yield self.cell(seg, p, i)

    # ---- logical content
    def split_key(self, ilevel):
        """(topic, key) of the split key of a level under merge."""
        lv = self.ckpt.levels[ilevel]
        pg, icell = lv.splitkey
        n = 0
        while n < len(lv.inputs) and lv.inputs[n][0] != pg:
            n += 1
        if len(lv.inputs) == len(lv.rhs) + 1 and n >= len(lv.inputs) - 1:
            need(ilevel + 1 < len(self.ckpt.levels), "split key in a level that does not exist")
            seg = self.ckpt.levels[ilevel + 1].lhs
        else:
            need(n < len(lv.rhs), "split key page %d matches no merge input" % pg)
            seg = lv.rhs[n]
        c = self.cell(seg, self.page(seg, pg), icell)
        return (c.flags & SYSTEMKEY, c.key)

    def sources(self):
        """Newest first: lists of ((topic,key), flags, value), one per sorted
        source. Half-merged levels contribute lhs below and rhs from the split key."""
        out = []
        for i, lv in enumerate(self.ckpt.levels):
            def take(seg, keep):
                r = []
                for c in self.cells(seg):
                    if c.flags & SEPARATOR and not c.flags & 0x0F:
                        continue
                    k = (c.flags & SYSTEMKEY, c.key)
                    r.append((k, c.flags, c.val))
                ks = [x[0] for x in r]
                for a, b in zip(ks, ks[1:]):
                    need(a < b, "keys out of order in segment at %d" % seg.first)
                return Source(r, keep)
            if lv.rhs:
                sk = self.split_key(i)
                out.append(take(lv.lhs, lambda k, sk=sk: k < sk))
                for s in lv.rhs:
                    out.append(take(s, lambda k, sk=sk: k >= sk))
            else:
                out.append(take(lv.lhs, lambda k: True))
        return out

    def merged(self, extra=()):
        """Visible ((topic,key), value) pairs in order."""
        src = list(extra) + self.sources()
        keys = sorted({e[0] for s in src for e in s.entries if e[1] & INSERT})
        for k in keys:
            for s in src:
                r = s.lookup(k)
                if r is not None:
                    if r is not False:
                        yield k, r
                    break

    def free_blocks(self):
        """{block: snapshot id}: system keys of the LSM overlaid with the checkpoint list."""
        d = {}
        for (topic, key), val in self.merged():
            if topic:
                need(len(key) == 4 and len(val) == 8, "bad free-list record")
                d[~struct.unpack(">I", key)[0] & MASK32] = struct.unpack(">q", val)[0]
        for blk, i in self.ckpt.freelist:
            if i < 0:
                d.pop(blk, None)
            else:
                d[blk] = i
        return d


class Source:
    """Sorted entries of one run with range-delete aware lookup."""

    def __init__(self, entries, keep):
        self.entries, self.keep = entries, keep
        self.keys = [e[0] for e in entries]

    def lookup(self, k):
        """value, False (deleted here) or None (not decided by this source)."""
        if not self.keep(k):
            return None
        i = bisect.bisect_left(self.keys, k)
        if i < len(self.keys) and self.keys[i] == k:
            _, fl, v = self.entries[i]
            if fl & INSERT:
                return v
            if fl & POINT_DELETE:
                return False
            return None             # a bare range boundary does not cover its own key
        if i > 0 and self.entries[i - 1][1] & START_DELETE:
            return False
        if i < len(self.keys) and self.entries[i][1] & END_DELETE:
            return False
        return None


# ---------------------------------------------------------------- log replay
def log_cksum(b, c1, c2):
    """Checksum over b; a tail of less than 8 bytes is padded with zeros."""
    b = bytes(b) + bytes(-len(b) % 8)
    for i in range(0, len(b), 8):
        x, y = struct.unpack("<II", b[i:i + 8])
        c1 = (c1 + x + c2) & MASK32
        c2 = (c2 + y + c1) & MASK32
    return c1, c2


class Tree:
    """Minimal model of the in-memory tree: exact entries plus open deleted ranges."""

    def __init__(self):
        self.d, self.ranges, self.entries = {}, [], []

    def lookup(self, k):
        topic, key = k
        if topic:
            return None
        if key in self.d:
            v = self.d[key]
            return False if v is None else v
        return False if any(a < key < b for a, b in self.ranges) else None

    def delrange(self, a, b):
        for key in [x for x in self.d if a < x < b]:
            del self.d[key]
        self.ranges.append((a, b))


def replay_log(path, off, ck):
    """Apply the committed transactions of a log file. Returns (Tree, n commits)."""
    t, ncommit = Tree(), 0
    if not os.path.exists(path):
        return t, 0
    b = open(path, "rb").read()
    i = start = off
    c1, c2 = ck
    pending, stream = [], bytearray()      # stream: bytes not yet in the checksum

    def take_ck(i):
        """Checksum covers everything before the 8 checksum bytes."""
        nonlocal c1, c2, stream
        c1, c2 = log_cksum(stream, c1, c2)
        stream = bytearray()        # the stored checksum is not part of the stream
        return i + 8 <= len(b) and struct.unpack(">II", b[i:i + 8]) == (c1, c2)

    try:
        while i < len(b):
            rec, t0 = i, b[i]
            i += 1
            if t0 == 1:
                stream += b[rec:i]
            elif t0 == 2:
                n, j = varint(b, i)
                i = j + n
                stream += b[rec:i]
            elif t0 == 4:
                j, i2 = varint(b, i)
                stream += b[rec:i2]
                i = j
            elif t0 in (6, 7, 8, 9, 10, 11):
                nk, i = varint(b, i)
                nv = 0
                if t0 not in (8, 9):
                    nv, i = varint(b, i)
                stream += b[rec:i]
                if t0 & 1:
                    if not take_ck(i):
                        break
                    i += 8
                elif len(stream) + nk + nv > 32768:
                    break               # a checksum was required here
                need(i + nk + nv <= len(b), "log record past end")
                k, v = b[i:i + nk], b[i + nk:i + nk + nv]
                stream += b[i:i + nk + nv]
                i += nk + nv
                pending.append((t0 & 0xFE, k, v))
            elif t0 == 3:
                stream += b[rec:i]
                if not take_ck(i):
                    break
                i += 8
                ncommit += 1
                for op, k, v in pending:
                    if op == 6:
                        t.d[k] = v
                    elif op == 8:
                        t.d[k] = None
                    else:
                        t.delrange(k, v)
                pending = []
            else:
                break
    except Corrupt:
        pass
    t.entries = [((0, k), INSERT, v) for k, v in sorted(t.d.items()) if v is not None]
    if ncommit == 0 and start != 0:        # a log that was rewritten from the start
        return replay_log(path, 0, ck)
    return t, ncommit


# ------------------------------------------------------------------ printing
def show(b, n=24):
    s = "".join(chr(x) if 32 < x < 127 else "." for x in b[:n])
    return "%s%s" % (s, "..(%d)" % len(b) if len(b) > n else "")


def flagstr(f):
    names = ((INSERT, "INS"), (POINT_DELETE, "DEL"), (START_DELETE, "SD"), (END_DELETE, "ED"),
             (SEPARATOR, "SEP"), (SYSTEMKEY, "SYS"))
    return "|".join(s for m, s in names if f & m) or "0"


def print_page(db, seg, p, cells, ind="      "):
    fl = "|".join(s for m, s in ((PG_BTREE, "BTREE"), (PG_SKIP_NEXT, "SKIP_NEXT"), (PG_SKIP_THIS, "SKIP_THIS"))
                  if p.flags & m) or "0"
    print("%spage %d: %d bytes usable, nRec=%d flags=%s ptr=%d content ends at %d" %
          (ind, p.pgno, len(p.data), p.nrec, fl, p.ptr, p.eof))
    if cells:
        for i in range(p.nrec):
            c = db.cell(seg, p, i)
            x = "  key on page %d" % c.ref if c.ref else ""
            v = "" if c.val is None else "  val=%s" % show(c.val)
            print("%s  [%d] @%d %s ptr=%d key=%s%s%s" % (ind, i, p.off[i], flagstr(c.flags), c.ptr, show(c.key), v, x))


def dump(db, args):
    for n in (1, 2):
        cid, _, why = db.meta[n]
        print("meta page %d: id=%d %s%s" % (n, cid, why, "   <== used" if n == db.meta_used else ""))
    c = db.ckpt
    if not c:
        print("no valid checkpoint: the database is empty apart from its log")
        return
    print("checkpoint id=%d nInt=%d cmpId=%d nBlock=%d blockSize=%d pageSize=%d nWrite=%d levels=%d" %
          (c.id, c.nint, c.cmpid, c.nblock, c.blksz, c.pgsz, c.nwrite, len(c.levels)))
    print("log: offset=%d toggle=%d cksum=%08x %08x" % (c.logoff >> 1, c.logoff & 1, *c.logck))
    print("append points: %s" % c.append)
    print("redirects: %s" % c.redirect)
    print("checkpoint free list: %s" % c.freelist)
    for i, lv in enumerate(c.levels):
        print("level %d: age=%d flags=%#x%s" % (i, lv.age, lv.flags, " MERGING" if lv.rhs else ""))
        if lv.rhs:
            t, k = db.split_key(i)
            print("  merge: nSkip=%d inputs=%s splitkey=%s -> %s%s curPtr=%d" %
                  (lv.nskip, lv.inputs, lv.splitkey, "SYS " if t else "", show(k), lv.curptr))
        for name, s in [("lhs", lv.lhs)] + [("rhs%d" % j, s) for j, s in enumerate(lv.rhs)]:
            print("  %s: %s" % (name, s))
            if args.pages or args.cells:
                for p in db.pages(s):
                    print_page(db, s, p, args.cells)
    print("free blocks: %s" % sorted(db.free_blocks().items()))


def check(db):
    """Walk everything; raises Corrupt on the first problem."""
    c = db.ckpt
    if not c:
        print("ok: no valid checkpoint (empty database, content only in the log if any)")
        return
    used = {}
    npages = ncells = 0
    for i, lv in enumerate(c.levels):
        for s in [lv.lhs] + lv.rhs:
            pages = list(db.pages(s))
            npages += len(pages)
            if not db.compressed and s is lv.lhs:
                need(len(pages) == s.size, "segment %s has %d pages" % (s, len(pages)))
            for p in pages:
                used.setdefault(db.block_of(p.pgno), set()).add(id(s))
            prev = None
            for x in db.cells(s):
                ncells += 1
                k = (x.flags & SYSTEMKEY, x.key)
                need(prev is None or prev < k, "keys out of order on page %d" % x.pgno)
                prev = k
            if s.root:
                check_btree(db, s)
    free = db.free_blocks()
    for b in free:
        need(1 <= b <= c.nblock, "free block %d of %d" % (b, c.nblock))
        need(b not in used, "block %d is both used and free" % b)
    leak = [b for b in range(1, c.nblock + 1) if b not in used and b not in free]
    print("ok: %d pages, %d cells, %d blocks used, %d free%s" %
          (npages, ncells, len(used), len(free), ", unaccounted %s" % leak if leak else ""))


def check_btree(db, seg):
    """Every data page that starts a key (and is not skipped) must be reachable."""
    leaves = []

    def walk(pg, depth, lo, hi):
        need(depth < 32, "b-tree too deep")
        p = db.page(seg, pg)
        if not p.btree:
            leaves.append((p.pgno, lo, hi))
            return
        prev = lo
        for i in range(p.nrec):
            c = db.cell(seg, p, i)
            k = (c.flags & SYSTEMKEY, c.key)
            need((prev is None or prev < k) and (hi is None or k < hi), "b-tree keys out of order on page %d" % pg)
            walk(c.ptr, depth + 1, prev, k)
            prev = k
        walk(p.ptr, depth + 1, prev, hi)

    walk(seg.root, 0, None, None)
    have = {l[0] for l in leaves}
    for p in db.pages(seg):
        if not p.btree and p.nrec and not p.flags & PG_SKIP_THIS:
            need(p.pgno in have, "data page %d not reachable from root %d" % (p.pgno, seg.root))
    for pg, lo, hi in leaves:
        try:
            p = db.page(seg, pg)
        except Corrupt:
            continue
        if p.nrec and (lo is not None):
            k = db.cell(seg, p, 0)
            need((k.flags & SYSTEMKEY, k.key) >= lo, "leaf %d starts below its separator" % pg)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("file")
    for o in ("--pages", "--cells", "--scan", "--check", "--no-log"):
        ap.add_argument(o, action="store_true")
    ap.add_argument("--page", type=int)
    ap.add_argument("--meta", type=int, default=0)
    a = ap.parse_args()
    try:
        db = Lsm(a.file, a.meta)
        if a.page:
            seg = Segment(0, 0, 0, 0)
            for lv in db.ckpt.levels:
                for s in [lv.lhs] + lv.rhs:
                    if any(p.pgno == a.page for p in db.pages(s)):
                        seg = s
            print_page(db, seg, db.page(seg, a.page), True, "")
        elif a.scan:
            extra = []
            if not a.no_log:
                off, ck = (db.ckpt.logoff >> 1, db.ckpt.logck) if db.ckpt else (0, (1234, 5678))
                extra = [replay_log(a.file + "-log", off, ck)[0]]
            if not db.ckpt:
                db.sources = lambda: []
            for (topic, k), v in db.merged(extra):
                if not topic:
                    print("%s\t%s" % (k.hex(), v.hex()))
        elif a.check:
            check(db)
        else:
            dump(db, a)
    except Corrupt as e:
        print("CORRUPT: %s" % e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.stdout.reconfigure(line_buffering=False)
    except AttributeError:
        pass
    sys.exit(main())
