package persistence

import (
	"bufio"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"casbah/balance"
)

// Restored says what became of a snapshot that was read.
type Restored struct {
	Saved    time.Time // when it was written
	Bindings int       // that are in force again; places are not counted
	Expired  int       // ran out since; the time between counts as idle time
	Orphans  int       // of servers that are not there any more
	NoRoom   int       // more than the table may hold
}

// Restore takes in the snapshot in f. The table must be empty and in nobody's
// use. The ID of a server is what id returns for its name, 0 for none. F is read
// twice, so that nothing takes effect before all of it is known to be sound, and
// little memory is used. On an error, which is one of ErrDamaged, ErrForeign and
// ErrNewer unless f cannot be read, the table stays empty.
//
// Bindings are as old as they were when they were saved, and by the time between
// older; a clock that was set back between makes none younger or older.
func (t *Table) Restore(now int64, f io.ReadSeeker, secret Secret, id func(name string) balance.ServerID) (Restored, error) {
	in := restoring{now: now / int64(time.Second), id: id}
	if err := scanSnapshot(f, secret, in.begin, func(b row) { in.judge(b) }); err != nil {
		return Restored{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Restored{}, err
	}
	t.expect(in.out.Bindings)
	in = restoring{now: in.now, id: id}
	places := 0
	err := scanSnapshot(f, secret, in.begin, func(b row) {
		switch w := in.judge(b); {
		case w == 0:
		case !t.restore(b.key, w):
			in.out.NoRoom++
		case b.isPlace():
			places++
		}
	})
	if err != nil {
		t.clear()
		return Restored{}, err
	}
	in.out.Bindings = t.Len() - places
	return in.out, nil
}

// restoring takes in one snapshot.
type restoring struct {
	now   int64 // Unix seconds
	id    func(name string) balance.ServerID
	ids   []balance.ServerID // of the snapshot's servers
	saved int64              // Unix seconds
	out   Restored
}

func (r *restoring) begin(h *snapshotHead) {
	r.saved, r.out.Saved = h.saved, time.Unix(h.saved, 0)
	for _, name := range h.names {
		r.ids = append(r.ids, r.id(name))
	}
}

// judge counts b and returns what its word is now; 0: it is not alive.
func (r *restoring) judge(b row) word {
	id := r.ids[b.word.server()-1]
	idle := int64(b.word.age(uint32(r.saved))) + max(r.now-r.saved, 0)
	switch {
	case idle > int64(b.word.life()):
		r.out.Expired++
	case id == 0:
		r.out.Orphans++
	default:
		r.out.Bindings++
		return newWord(id, uint32(r.now-idle), b.word.confirmed(), b.word.idle())
	}
	return 0
}

// expect makes room for n bindings in an empty table. A snapshot comes in the
// order of the slots: a shard that grows with it is searched long, since what has
// come stands at its beginning.
func (t *Table) expect(n int) {
	each := min(n, int(t.capacity)) / len(t.shards)
	if each == 0 {
		return
	}
	for i := range t.shards {
		slots := make([]slot, slotsFor(each*ofSlots/grownShard))
		t.shards[i].slots.Store(&slots)
		t.bytes.Add(int64(len(slots)) * slotBytes)
	}
}

// restore binds k as w says, and reports false if there is no room.
func (t *Table) restore(k Key, w word) bool {
	if t.bindings.Load() >= t.capacity || !w.confirmed() && t.unconfirmed.Load() >= t.weakCapacity {
		return false
	}
	t.taken(w)
	t.shard(k).insert(t, &order{key: k, word: w, move: true})
	return true
}

// clear takes everything out of a table that nobody uses.
func (t *Table) clear() {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		sh.slots.Store(nil)
		sh.used, sh.hand = 0, 0
		sh.mu.Unlock()
	}
	t.bindings.Store(0)
	t.unconfirmed.Store(0)
	t.bytes.Store(0)
}

// snapshotHead is what a snapshot begins with.
type snapshotHead struct {
	saved int64 // Unix seconds
	names []string
}

// snapshotReader reads and sums up what it has read.
type snapshotReader struct {
	in  io.Reader
	mac hash.Hash
	buf [blockRows * slotBytes]byte
}

// scanSnapshot reads a snapshot to its end and calls begin and each on the way.
// If it returns nil the snapshot is sound, else what it told means nothing.
func scanSnapshot(f io.Reader, secret Secret, begin func(*snapshotHead), each func(row)) error {
	r := &snapshotReader{in: bufio.NewReaderSize(f, 64<<10), mac: newMAC(secret)}
	h, err := r.head(secret)
	if err != nil {
		return err
	}
	begin(h)
	total, err := r.blocks(len(h.names), each)
	if err != nil {
		return err
	}
	p, err := r.take(8)
	if err != nil {
		return err
	}
	if n := binary.LittleEndian.Uint64(p); n != total {
		return fmt.Errorf("%w: it holds %d bindings and says that it holds %d", ErrDamaged, total, n)
	}
	want := r.mac.Sum(nil)
	if p, err = r.take(macBytes); err != nil {
		return err
	}
	if !hmac.Equal(p, want) {
		return fmt.Errorf("%w: its checksum does not fit its content", ErrDamaged)
	}
	if _, err := r.take(1); !errors.Is(err, errShort) {
		return fmt.Errorf("%w: there is more behind its end", ErrDamaged)
	}
	return nil
}

var errShort = fmt.Errorf("%w: it ends too early", ErrDamaged)

// take returns the next n octets, which are valid until the next take.
func (r *snapshotReader) take(n int) ([]byte, error) {
	p := r.buf[:n]
	_, err := io.ReadFull(r.in, p)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errShort
	case err != nil:
		return nil, err
	}
	r.mac.Write(p)
	return p, nil
}

// head reads up to the first block.
func (r *snapshotReader) head(secret Secret) (*snapshotHead, error) {
	p, err := r.take(len(snapshotMagic) + 4)
	if err != nil {
		return nil, err
	}
	if string(p[:len(snapshotMagic)]) != snapshotMagic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	}
	switch v := binary.LittleEndian.Uint32(p[len(snapshotMagic):]); {
	case v > snapshotVersion:
		return nil, fmt.Errorf("%w: its version is %d, this casbah reads %d", ErrNewer, v, snapshotVersion)
	case v < snapshotVersion:
		return nil, fmt.Errorf("%w: there is no version %d", ErrDamaged, v)
	}
	if p, err = r.take(checkBytes); err != nil {
		return nil, err
	}
	if check := snapshotCheck(secret); !hmac.Equal(p, check[:]) {
		return nil, ErrForeign
	}
	if p, err = r.take(8 + 4); err != nil {
		return nil, err
	}
	h := &snapshotHead{saved: int64(binary.LittleEndian.Uint64(p))}
	h.names, err = r.names(binary.LittleEndian.Uint32(p[8:]))
	return h, err
}

// names reads the names of n servers.
func (r *snapshotReader) names(n uint32) ([]string, error) {
	var names []string
	octets := 0
	for range n {
		p, err := r.take(2)
		if err != nil {
			return nil, err
		}
		length := int(binary.LittleEndian.Uint16(p))
		if octets += 2 + length; octets > nameBytes {
			return nil, fmt.Errorf("%w: the names of its servers do not end", ErrDamaged)
		}
		if p, err = r.take(length); err != nil {
			return nil, err
		}
		names = append(names, string(p))
	}
	return names, nil
}

// blocks reads all rows, of so many servers, and returns their number.
func (r *snapshotReader) blocks(servers int, each func(row)) (total uint64, err error) {
	for {
		p, err := r.take(4)
		if err != nil {
			return 0, err
		}
		n := binary.LittleEndian.Uint32(p)
		if n == 0 {
			return total, nil
		}
		if n > blockRows {
			return 0, fmt.Errorf("%w: a block of %d bindings", ErrDamaged, n)
		}
		if p, err = r.take(int(n) * slotBytes); err != nil {
			return 0, err
		}
		for ; len(p) > 0; p = p[slotBytes:] {
			b := row{
				Key{lo: binary.LittleEndian.Uint64(p), hi: binary.LittleEndian.Uint64(p[8:])},
				word(binary.LittleEndian.Uint64(p[16:])),
			}
			if id := int(b.word.server()); id == 0 || id > servers || b.key.IsZero() || b.word.idle().seconds() == 0 {
				return 0, fmt.Errorf("%w: binding %d is none", ErrDamaged, total)
			}
			each(b)
			total++
		}
	}
}
