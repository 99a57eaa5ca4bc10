package persistence

import (
	"bytes"
	"encoding/base64"
)

// easOctets is how much of a query of ActiveSync is decoded: all but long names
// of attachments, behind which a user is not seen.
const easOctets = 1023

// easUser is the tag of the parameter User ([MS-ASHTTP], Section 2.2.1.1.1.1.3).
const easUser = 8

// easFields is what a query of ActiveSync tells of the client. In plain text the
// values are still escaped.
type easFields struct {
	user, device []byte
	plain        bool
}

// appendEASUser appends the user of a query of ActiveSync: of a query that names
// a device as well.
func appendEASUser(dst, query []byte) ([]byte, bool) {
	var room [easOctets]byte
	f := readEAS(&room, query)
	if len(f.user) == 0 || len(f.device) == 0 {
		return dst, false
	}
	if !f.plain {
		return appendName(dst, f.user)
	}
	var plain [maxIdentity]byte
	user, ok := appendUnescaped(plain[:0], f.user)
	if !ok {
		return dst, false
	}
	return appendName(dst, user)
}

// appendEASDevice appends the device of a query of ActiveSync.
func appendEASDevice(dst, query []byte) ([]byte, bool) {
	var room [easOctets]byte
	f := readEAS(&room, query)
	if len(f.device) == 0 {
		return dst, false
	}
	dst = append(dst, deviceMark...)
	if !f.plain {
		return appendLower(dst, f.device)
	}
	var plain [maxIdentity]byte
	device, ok := appendUnescaped(plain[:0], f.device)
	if !ok {
		return dst, false
	}
	return appendLower(dst, device)
}

// readEAS reads a query in either of its forms ([MS-ASHTTP], Section 2.2.1.1.1).
// The fields are parts of query or of room.
func readEAS(room *[easOctets]byte, query []byte) easFields {
	if device, ok := parameter(query, "deviceid"); ok {
		user, _ := parameter(query, "user")
		return easFields{user: user, device: device, plain: true}
	}
	var text [(easOctets + 2) / 3 * 4]byte
	coded, _ := appendUnescaped(text[:0], query) // what has no room is not looked at
	coded = bytes.TrimRight(coded, "=")
	n, err := base64.RawStdEncoding.Decode(room[:], coded)
	if err != nil {
		return easFields{}
	}
	return parseEAS(room[:n])
}

// parseEAS reads the octets of a query ([MS-ASHTTP], Section 2.2.1.1.1.1):
// protocol version, command, locale in two, then device ID, policy key, device
// type and parameters, each behind its length.
func parseEAS(b []byte) (f easFields) {
	if len(b) < 4 || !easVersion(b[0]) {
		return f
	}
	device, b, ok := cutField(b[4:])
	for range 2 { // policy key, device type
		if ok {
			_, b, ok = cutField(b)
		}
	}
	if !ok {
		return f
	}
	f.device = device
	for len(b) > 0 {
		tag := b[0]
		var value []byte
		if value, b, ok = cutField(b[1:]); !ok {
			return f
		}
		if tag == easUser {
			f.user = value
			return f
		}
	}
	return f
}

// easVersion tells whether a query that begins with v is one of ActiveSync: 12.1,
// 14.0, 14.1, 16.0 and 16.1 have this form.
func easVersion(v byte) bool {
	switch v {
	case 121, 140, 141, 160, 161:
		return true
	default:
		return false
	}
}

// cutField takes a field of an octet of length off b.
func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	end := 1 + int(b[0])
	return b[1:end], b[end:], true
}
