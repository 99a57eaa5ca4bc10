package maildialogue

// MostQueued is how many commands may wait for their replies; the client is
// held at one more.
const MostQueued = 64

// Queue holds the kinds of the commands that wait for their replies, which come
// in the order of the commands.
type Queue struct {
	kinds    [MostQueued]uint8
	first, n uint8
}

// Empty reports whether no reply is due.
func (q *Queue) Empty() bool { return q.n == 0 }

// Full reports whether no further command may be sent.
func (q *Queue) Full() bool { return q.n == MostQueued }

// Push adds a command behind the others. The queue is not full.
func (q *Queue) Push(kind uint8) {
	q.kinds[(q.first+q.n)%MostQueued] = kind
	q.n++
}

// First returns the command whose reply is due first. The queue is not empty.
func (q *Queue) First() uint8 { return q.kinds[q.first] }

// Pop takes the first away.
func (q *Queue) Pop() {
	q.first = (q.first + 1) % MostQueued
	q.n--
}

// Has reports whether a reply to a command of that kind is due.
func (q *Queue) Has(kind uint8) bool {
	for i := range q.n {
		if q.kinds[(q.first+i)%MostQueued] == kind {
			return true
		}
	}
	return false
}
