package persistence

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math"
	"runtime"
	"time"
)

// A snapshot is the content of a table as a file. All numbers are little-endian:
//
//	snapshotMagic, version (4 octets), check (16), time of writing in Unix seconds (8),
//	number of servers (4), for each the length of its name (2) and its name,
//	blocks: number of rows (4, at most blockRows), the rows; a block of none is the last,
//	number of all rows (8), HMAC-SHA256 of all octets before it under the table's secret (32).
//
// A row is a slot: the key and the word, in which the server is the place of its
// name, from 1. Check tells a snapshot of another secret, whose keys nobody here
// could look up, from a damaged one. The version changes with the layout, and
// with what a key is the hash of.
const (
	snapshotMagic   = "casbah bindings\n"
	snapshotVersion = 1

	checkBytes = 16
	macBytes   = sha256.Size
	blockRows  = 4096
	nameBytes  = 1 << 20 // of all names
)

// Why a snapshot is refused; it is then refused as a whole.
var (
	ErrDamaged = errors.New("the snapshot of bindings is damaged")
	ErrForeign = errors.New("the snapshot of bindings was made under another binding.key")
	ErrNewer   = errors.New("the snapshot of bindings was written by a newer casbah")
)

// row is a binding on its way between slots and snapshot.
type row struct {
	key  Key
	word word
}

// isPlace reports whether the row says where a mailbox is, and binds nobody.
func (r *row) isPlace() bool { return r.key.Mark() == PlacementMark }

// snapshotCheck returns what tells snapshots of this secret. The secret cannot
// be found from it, and no key of the table is made of the same octets: those
// begin with the length of a field.
func snapshotCheck(secret Secret) (check [checkBytes]byte) {
	h := newSip(secret)
	h.write([]byte(snapshotMagic))
	k := h.sum()
	binary.LittleEndian.PutUint64(check[:8], k.lo)
	binary.LittleEndian.PutUint64(check[8:], k.hi)
	return check
}

func newMAC(secret Secret) hash.Hash { return hmac.New(sha256.New, secret[:]) }

// Save writes the bindings that are alive at now, in Unix nanoseconds, and
// returns how many. Names are those of the servers, the first one of ID 1; what
// is bound to one without a name is left out. It needs memory for one shard,
// and keeps nobody waiting: it reads as a request does, without a lock. A
// binding that is made, moved or ended meanwhile is in it as it was before or
// as it is after. Once ctx has ended it gives up.
func (t *Table) Save(ctx context.Context, now int64, w io.Writer, secret Secret, names []string) (int, error) {
	mac := newMAC(secret)
	out := bufio.NewWriterSize(io.MultiWriter(w, mac), 64<<10)
	buf := appendSnapshotHead(nil, now, secret, names)
	if _, err := out.Write(buf); err != nil {
		return 0, err
	}
	var rows []row
	saved, places, sec := 0, 0, seconds(now)
	for i := range t.shards {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		rows = t.shards[i].live(sec, rows)
		buf = buf[:0]
		for from := 0; from < len(rows); from += blockRows {
			var n, of int
			buf, n, of = appendBlock(buf, rows[from:min(from+blockRows, len(rows))], len(names))
			saved, places = saved+n, places+of
		}
		if _, err := out.Write(buf); err != nil {
			return 0, err
		}
	}
	buf = binary.LittleEndian.AppendUint32(buf[:0], 0)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(saved))
	if _, err := out.Write(buf); err != nil {
		return 0, err
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	_, err := w.Write(mac.Sum(nil))
	return saved - places, err
}

func appendSnapshotHead(dst []byte, now int64, secret Secret, names []string) []byte {
	check := snapshotCheck(secret)
	dst = append(dst, snapshotMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, snapshotVersion)
	dst = append(dst, check[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(now/int64(time.Second)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(names)))
	for _, name := range names {
		name = name[:min(len(name), math.MaxUint16)]
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(name)))
		dst = append(dst, name...)
	}
	return dst
}

// appendBlock appends the rows whose server has one of so many names, and returns
// how many these are, and how many of them places. A block of none would end the
// snapshot: it appends nothing then.
func appendBlock(dst []byte, rows []row, names int) (out []byte, n, places int) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for i := range rows {
		r := &rows[i]
		if int(r.word.server()) > names {
			continue
		}
		dst = binary.LittleEndian.AppendUint64(dst, r.key.lo)
		dst = binary.LittleEndian.AppendUint64(dst, r.key.hi)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(r.word))
		if n++; r.isPlace() {
			places++
		}
	}
	if n == 0 {
		return dst[:start], 0, 0
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(n))
	return dst, n, places
}

// live returns the bindings of the shard that are alive, all of one moment, in
// the place of rows. Only if keys move again and again does it take the lock,
// for about 20 us.
func (sh *shard) live(sec uint32, rows []row) []row {
	for range spins {
		seq := sh.seq.Load()
		if seq&1 == 0 {
			rows = appendLive(rows[:0], sh.load(), sec)
			if sh.seq.Load() == seq {
				return rows
			}
		}
		runtime.Gosched()
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return appendLive(rows[:0], sh.load(), sec)
}

func appendLive(rows []row, slots []slot, sec uint32) []row {
	for i := range slots {
		// The word first: where it is not 0, the key is there.
		if w := word(slots[i].word.Load()); w.alive(sec) {
			rows = append(rows, row{slots[i].key(), w})
		}
	}
	return rows
}
