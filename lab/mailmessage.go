package lab

import (
	"fmt"
	"strings"
	"time"
)

// firstMail is when the first message of every mailbox came. Dates are made up, so
// that a message is the same on every CAS and at every fetch.
var firstMail = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// messages returns how many messages POP3 and IMAP4 find in a mailbox: one that
// was always there, and those that came.
func (m *mailstore) messages(user string) int {
	total, _ := m.watch(user)
	return 1 + total
}

// message returns the n-th message of a mailbox, counted from 1.
func message(user string, n int) string {
	address := user + "@" + DNSSuffix
	lines := []string{
		"From: Lab <lab@" + DNSSuffix + ">",
		"To: " + address,
		fmt.Sprintf("Subject: Message %d", n),
		"Date: " + messageTime(n).Format(time.RFC1123Z),
		fmt.Sprintf("Message-ID: <%d.%s>", n, address),
		"Content-Type: text/plain; charset=us-ascii",
		"",
		fmt.Sprintf("This is message %d of %s.", n, user),
		"",
	}
	return strings.Join(lines, "\r\n")
}

// messageTime is when the n-th message came.
func messageTime(n int) time.Time { return firstMail.Add(time.Duration(n) * time.Minute) }
