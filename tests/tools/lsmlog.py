#!/usr/bin/env python3
"""Dump and check the "-log" and "-shm" files that belong to an LSM1 database.

Written from the format notes in docs/format.md, so that it can serve as an oracle which is
independent of both the C library and of the Rust code.

    lsmlog.py log DB              records of DB-log, started from the newest
                                  valid meta page of DB (or from offset 0)
    lsmlog.py log DB --start OFF --cksum C0,C1
                                  same, but from an explicit starting point
    lsmlog.py shm DB [--tree] [--keys]
                                  header, snapshots, reader slots, chunk list,
                                  and (with --tree) both in-memory trees

Exit status: 0 all checks passed, 1 something was inconsistent, 2 usage error.
All multi-byte values in the -shm file are host order; x86-64 is assumed here
(little endian).  A -shm file that a live process is changing can be seen torn;
the tool then reports it, and the run should be repeated.
"""
import argparse
import struct
import sys

M32 = 0xFFFFFFFF

# ---------------------------------------------------------------- primitives

def varint(buf, i):
    """SQLite4 varint at buf[i].  Returns (value, next index)."""
    c = buf[i]
    if c <= 240:
        return c, i + 1
    if c <= 248:
        return (c - 241) * 256 + buf[i + 1] + 240, i + 2
    if c == 249:
        return 2288 + 256 * buf[i + 1] + buf[i + 2], i + 3
    n = c - 247                       # 250..255 carry 3..8 big-endian bytes
    return int.from_bytes(buf[i + 1:i + 1 + n], 'big'), i + 1 + n


def log_cksum(data, s0, s1):
    """Fold `data` (zero padded to a multiple of 8) into the log checksum."""
    pad = -len(data) % 8
    data = bytes(data) + b'\0' * pad
    for a, b in struct.iter_unpack('<II', data):
        s0 = (s0 + a + s1) & M32
        s1 = (s1 + b + s0) & M32
    return s0, s1


def ckpt_cksum(words, n):
    """Checkpoint checksum over n words, the last two being the checksum."""
    c1, c2 = 1, 2
    if n % 2:
        c1 = (c1 + (words[n - 3] & 0xFFFF)) & M32
        c2 = (c2 + (words[n - 3] & 0xFFFF0000)) & M32
    i = 0
    while i + 3 < n:
        c1 = (c1 + c2 + words[i]) & M32
        c2 = (c2 + c1 + words[i + 1]) & M32
        i += 2
    return c1, c2


def tree_cksum(raw):
    """Checksum of a 152-byte TreeHeader image (its first 144 bytes)."""
    c1, c2 = 0x12345678, 0x9ABCDEF0
    for a, b in struct.iter_unpack('<II', raw[:144]):
        c1 = (c1 + a) & M32
        c2 = (c2 + c1 + b) & M32
    return c1, c2

# ------------------------------------------------------------- checkpoints

CKPT_MAX = 4066 // 4                  # words that fit below the lock bytes


class Ckpt:
    """A checkpoint blob as an array of u32 (already in host order)."""

    def __init__(self, words):
        self.w = words
        self.id = words[0] << 32 | words[1]
        self.n = words[2]
        self.ok = 3 < self.n <= CKPT_MAX and \
            ckpt_cksum(words, self.n) == (words[self.n - 2], words[self.n - 1])
        lo = words[9] << 32 | words[10]
        self.log_off, self.log_lsb = lo >> 1, lo & 1
        self.log_ck = (words[11], words[12])

    def line(self):
        w = self.w
        return ('id=%d nint=%d %s cmpid=%d nblock=%d blksz=%d nlevel=%d pgsz=%d '
                'nwrite=%d log=(off %d lsb %d ck %08x,%08x)' %
                (self.id, self.n, 'cksum-ok' if self.ok else 'CKSUM-BAD', w[3], w[4],
                 w[5], w[6], w[7], w[8], self.log_off, self.log_lsb, *self.log_ck))


def meta_pages(path):
    """The two meta pages of a database file as Ckpt objects (big endian)."""
    try:
        with open(path, 'rb') as f:
            raw = f.read(8192).ljust(8192, b'\0')
    except FileNotFoundError:
        raw = b'\0' * 8192
    return [Ckpt(struct.unpack('>1024I', raw[i * 4096:(i + 1) * 4096])) for i in (0, 1)]


def newest(pages):
    """The one recovery would use: higher id first, page 1 on a tie."""
    order = [1, 0] if pages[1].id > pages[0].id else [0, 1]
    for i in order:
        if pages[i].ok:
            return i + 1, pages[i]
    return 0, None

# ------------------------------------------------------------------- the log

NAMES = {0: 'EOF', 1: 'PAD1', 2: 'PAD2', 3: 'COMMIT', 4: 'JUMP', 6: 'WRITE', 7: 'WRITE+CK',
         8: 'DELETE', 9: 'DELETE+CK', 10: 'DRANGE', 11: 'DRANGE+CK'}
MAXDATA = 32768


def scan_log(data, start, ck, out=None):
    """Walk the records from `start`.  Returns (commits, end, cksum, why).

    `end`/`cksum` describe the point just after the last valid COMMIT, which
    is where recovery stops.
    """
    i, s0, s1 = start, ck[0], ck[1]
    pend = bytearray()                # bytes not yet folded into s0/s1
    commits, jumps = 0, 0
    good = (start, ck)
    n = len(data)

    def need(k):
        if i + k > n:
            raise IndexError

    def check(upto):
        """Fold pend and compare with the 8 stored bytes at `upto`."""
        nonlocal s0, s1
        s0, s1 = log_cksum(pend, s0, s1)
        pend.clear()                  # the stored checksum itself is not folded
        want = struct.unpack('>II', data[upto:upto + 8])
        return want == (s0, s1)

    def show(at, t, text):
        if out:
            out('%10d  %-9s %s' % (at, NAMES[t], text))

    why = 'end of file'
    try:
        while True:
            need(1)
            at, t = i, data[i]
            if t not in NAMES or t == 0:
                why = 'EOF byte' if t == 0 else 'unknown type 0x%02x' % t
                break
            if t == 1:
                pend += data[i:i + 1]
                i += 1
                show(at, t, '')
            elif t == 2:
                k, j = varint(data, i + 1)
                i = j
                need(k)
                pend += data[at:j + k]
                i = j + k
                show(at, t, '%d bytes' % k)
            elif t == 3:
                need(9)
                pend += data[i:i + 1]
                ok = check(i + 1)
                show(at, t, 'ck %s %s' % (data[i + 1:i + 9].hex(), 'ok' if ok else 'MISMATCH'))
                if not ok:
                    why = 'commit checksum mismatch'
                    break
                i += 9
                commits += 1
                good = (i, (s0, s1))
            elif t == 4:
                to, j = varint(data, i + 1)
                pend += data[at:j]
                show(at, t, '-> %d%s' % (to, '' if len(pend) % 8 == 0 else ' (unaligned!)'))
                jumps += 1
                if jumps == 3:
                    why = 'third jump'
                    break
                i = to
            else:
                nkey, j = varint(data, i + 1)
                nval = 0
                if t & 0xFE != 8:
                    nval, j = varint(data, j)
                pend += data[at:j]
                note = ''
                if t & 1:
                    if j + 8 > n:
                        raise IndexError
                    if not check(j):
                        show(at, t, 'embedded checksum MISMATCH')
                        why = 'embedded checksum mismatch'
                        break
                    j += 8
                    note = ' ck ok'
                elif nkey + nval > MAXDATA:
                    why = 'large record without checksum'
                    break
                i = j
                need(nkey + nval)
                pend += data[j:j + nkey + nval]
                key = data[j:j + nkey]
                i = j + nkey + nval
                show(at, t, 'key[%d]=%r val[%d]%s' % (nkey, bytes(key[:24]), nval, note))
    except IndexError:
        why = 'end of file'
    return commits, good[0], good[1], why


def cmd_log(a):
    try:
        with open(a.db + '-log', 'rb') as f:
            data = f.read()
    except FileNotFoundError:
        print('no log file')
        return 0
    pages = meta_pages(a.db)
    which, ck = newest(pages)
    if a.start is not None:
        start, s = a.start, tuple(int(x, 0) for x in a.cksum.split(','))
    elif ck:
        start, s = ck.log_off, ck.log_ck
        print('meta page %d: %s' % (which, ck.line()))
    else:
        start, s = 0, (1234, 5678)
        print('no valid meta page: start 0, checksum seeds 1234,5678')
    out = None if a.quiet else print
    commits, end, s2, why = scan_log(data, start, s, out)
    if commits == 0 and start != 0:
        print('-- nothing valid at %d (%s); recovery retries at 0, same seeds' % (start, why))
        commits, end, s2, why = scan_log(data, 0, s, out)
    print('size %d: %d commit(s), last one ends at %d, cksum %08x,%08x; scan stopped: %s'
          % (len(data), commits, end, *s2, why))
    return 0

# ------------------------------------------------------------------- the shm

CHUNK = 32768
HDR1, HDR2, READERS = 8200, 8352, 8504
FLAGS = [(1, 'START_DEL'), (2, 'END_DEL'), (4, 'POINT_DEL'), (8, 'INSERT'), (0x40, 'CONTIG')]


class Hdr:
    """A TreeHeader image (152 bytes, padding at 60..64)."""

    def __init__(self, raw):
        self.raw = raw
        (self.used, self.next_id, self.first, self.nchunk) = struct.unpack_from('<4I', raw, 0)
        self.root = struct.unpack_from('<4I', raw, 16)      # iRoot nHeight nByte iTransId
        self.write, = struct.unpack_from('<I', raw, 32)
        self.oldroot = struct.unpack_from('<4I', raw, 36)
        self.old_id, self.usr, self.pad = struct.unpack_from('<3I', raw, 52)
        self.old_log, = struct.unpack_from('<q', raw, 64)
        self.old_ck = struct.unpack_from('<2I', raw, 72)
        self.log_ck = struct.unpack_from('<2I', raw, 80)
        self.log_snap, = struct.unpack_from('<q', raw, 88)
        self.regions = [struct.unpack_from('<2q', raw, 96 + 16 * i) for i in range(3)]
        self.ck = struct.unpack_from('<2I', raw, 144)
        self.ok = tree_cksum(raw) == self.ck

    def show(self, name):
        print('%s: %s used=%d next=%d first=%d nchunk=%d write=%d oldshmid=%d usrver=%d pad=%d'
              % (name, 'cksum-ok' if self.ok else 'CKSUM-BAD', self.used, self.next_id,
                 self.first, self.nchunk, self.write, self.old_id, self.usr, self.pad))
        print('    root    iRoot=%d height=%d nByte=%d transid=%d' % self.root)
        print('    oldroot iRoot=%d height=%d nByte=%d transid=%d  oldlog=%d(off %d) ck %08x,%08x'
              % (*self.oldroot, self.old_log, self.old_log >> 1, *self.old_ck))
        print('    log ck %08x,%08x snapshot=%d regions 0:%s 1:%s 2:%s'
              % (*self.log_ck, self.log_snap, *self.regions))


class Tree:
    """Walker over one version of a tree inside the -shm image."""

    def __init__(self, shm, root):
        self.shm, (self.root, self.height, _, self.trans) = shm, root

    def key(self, p):
        nkey, nval, flags = struct.unpack_from('<iiB', self.shm, p)
        total = 12 + nkey + max(nval, 0)
        out, at = b'', p
        while len(out) < total:                       # follow iNext across chunks
            end = (at // CHUNK + 1) * CHUNK
            piece = self.shm[at:min(end, at + total - len(out))]
            out += piece
            if len(out) < total:
                nxt, = struct.unpack_from('<I', self.shm, (at // CHUNK) * CHUNK + 4)
                if nxt == 0:
                    raise ValueError('key at %d runs off the chunk list' % p)
                at = nxt * CHUNK + 8
        return out[12:12 + nkey], nval, flags

    def node(self, p, depth):
        """Yield (key, nval, flags) in order; check 2-3-4 shape on the way."""
        leaf = depth == self.height
        keys = struct.unpack_from('<3I', self.shm, p)
        if not keys[1]:
            raise ValueError('node at %d has no middle key' % p)
        kids = [0, 0, 0, 0]
        if not leaf:
            kids = list(struct.unpack_from('<4I', self.shm, p + 12))
            v2, v2c, v2p = struct.unpack_from('<IB3xI', self.shm, p + 28)
            if v2 and v2 <= self.trans:
                kids[v2c] = v2p
        for i in range(4):
            if not leaf and kids[i]:
                yield from self.node(kids[i], depth + 1)
            if i < 3 and keys[i]:
                yield self.key(keys[i])

    def walk(self):
        if self.root:
            yield from self.node(self.root, 1)


def cmd_shm(a):
    with open(a.db + '-shm', 'rb') as f:
        shm = f.read()
    bad = 0
    for name, off in (('aSnap1', 0), ('aSnap2', 4096)):
        c = Ckpt(struct.unpack_from('<1024I', shm, off))
        print('%s: %s' % (name, c.line()))
        bad |= not c.ok
    writer, meta = struct.unpack_from('<2I', shm, 8192)
    print('bWriter=%d iMetaPage=%d' % (writer, meta))
    h1, h2 = Hdr(shm[HDR1:HDR1 + 152]), Hdr(shm[HDR2:HDR2 + 152])
    h1.show('hdr1')
    if h1.raw == h2.raw:
        print('hdr2: same bytes')
    else:
        h2.show('hdr2')
    bad |= not (h1.ok and h2.ok)
    for i in range(6):
        tree, pad, lsm = struct.unpack_from('<IIq', shm, READERS + 16 * i)
        print('reader[%d] iTreeId=%d iLsmId=%d' % (i, tree, lsm))
    h = h1 if h1.ok else h2
    print('file has %d chunk(s) of 32 KB' % (len(shm) // CHUNK))
    seen, c, prev = 0, h.first, None
    while c and seen <= h.nchunk:                     # ascending, gap-free ids
        cid, nxt = struct.unpack_from('<2I', shm, c * CHUNK)
        note = ''
        if prev is not None and cid != (prev + 1) & M32:
            note, bad = '  <-- id not previous+1', 1
        print('  chunk %d shmid=%d next=%d%s' % (c, cid, nxt, note))
        seen, prev, c = seen + 1, cid, nxt
    if seen != h.nchunk - 1:
        print('  chain visits %d of %d chunks%s' % (seen, h.nchunk - 1,
              ' (expected while a writer is active)' if writer else '  <-- BAD'))
        bad |= not writer
    if a.tree:
        for name, root in (('live', h.root), ('old', h.oldroot if h.old_id else (0, 0, 0, 0))):
            t, n, last = Tree(shm, root), 0, None
            for k, nval, fl in t.walk():
                if last is not None and k <= last:
                    print('  <-- %s tree out of order at %r' % (name, k))
                    bad = 1
                last, n = k, n + 1
                if a.keys:
                    print('    %r nval=%d %s' % (k, nval, '|'.join(s for b, s in FLAGS if fl & b)))
            print('%s tree: %d entr%s' % (name, n, 'y' if n == 1 else 'ies'))
    return int(bool(bad))


def main():
    ap = argparse.ArgumentParser(description='dump LSM1 -log and -shm files')
    sub = ap.add_subparsers(dest='cmd', required=True)
    p = sub.add_parser('log')
    p.add_argument('db')
    p.add_argument('--start', type=int)
    p.add_argument('--cksum', default='1234,5678')
    p.add_argument('--quiet', action='store_true')
    p = sub.add_parser('shm')
    p.add_argument('db')
    p.add_argument('--tree', action='store_true')
    p.add_argument('--keys', action='store_true')
    a = ap.parse_args()
    return cmd_log(a) if a.cmd == 'log' else cmd_shm(a)


if __name__ == '__main__':
    sys.exit(main())
