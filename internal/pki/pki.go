// Package pki reads certificates, their keys and revocation lists from files, in
// the forms in which authorities and Windows hand them out, and says in words what
// is wrong with one. A certificate and its key are read whole before anything is
// made of them, so that a file that is being written is met as a broken pair.
//
// Implemented: PEM (RFC 7468) with keys in PKCS #1, SEC 1 and PKCS #8 (RFC 5958),
// encrypted by PBES2 (RFC 8018); PKCS #12 (RFC 7292); CRLs (RFC 5280) in PEM and
// DER. Not implemented: encrypted PEM of the old form (RFC 1421), which anybody who
// can change the file can probe.
package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// mostFile is the longest file that is read, in octets.
const mostFile = 1 << 20

// Part says which of the files of a pair something is about.
type Part uint8

// The parts of a pair.
const (
	Certificate Part = iota
	Key
	Passphrase
)

// String returns the part in words.
func (p Part) String() string { return [...]string{"certificate", "key", "passphrase"}[p] }

// Problem is what is wrong with a file.
type Problem struct { //nolint:errname // the word that operators read
	Part Part
	Want string // what is allowed, in words
	Got  string // what was found, with the name of the file
}

// Error renders the problem in one line.
func (p *Problem) Error() string { return fmt.Sprintf("%s: want %s, got %s", p.Part, p.Want, p.Got) }

// Problems are all that is wrong with a pair.
type Problems []*Problem //nolint:errname // the word that operators read

// Error renders the problems in one line.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

// Read reads a file. Devices and pipes are refused: opening one may wait for ever.
func Read(path string) ([]byte, *Problem) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		return nil, &Problem{Want: "a file", Got: path + ", which is none"}
	case info.Size() > mostFile:
		return nil, &Problem{Want: "a file of at most 1 MiB", Got: fmt.Sprintf("%s of %d octets", path, info.Size())}
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path) //nolint:gosec // G304: the operator names the file, in the configuration
	}
	if err != nil {
		return nil, &Problem{Want: "a file that can be read", Got: path + ": " + reason(err)}
	}
	return data, nil
}

// reason cuts the operation and path from a file error: both stand around it.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// Files names the files of a certificate with its key.
type Files struct {
	Cert       string // PEM, with those that issued it behind it, or PKCS #12
	Key        string // PEM; empty: the key stands in Cert
	Passphrase string // a file with the passphrase in its first line; empty: none
}

// Contents are the files of a pair as they were read at one moment.
type Contents struct {
	files                 Files
	cert, key, passphrase []byte
}

// Open reads the files. The error is Problems.
func (f Files) Open() (*Contents, error) {
	c := &Contents{files: f}
	var all Problems
	for _, file := range []struct {
		part Part
		path string
		into *[]byte
	}{{Certificate, f.Cert, &c.cert}, {Key, f.Key, &c.key}, {Passphrase, f.Passphrase, &c.passphrase}} {
		switch data, p := Read(file.path); {
		case file.path == "":
		case p != nil:
			p.Part = file.part
			all = append(all, p)
		default:
			*file.into = data
		}
	}
	if f.Cert == "" {
		all = append(all, &Problem{Certificate, "a PEM or PKCS #12 file with a certificate", "nothing"})
	}
	if len(all) > 0 {
		return nil, all
	}
	return c, nil
}

// Digest tells contents apart.
func (c *Contents) Digest() [sha256.Size]byte {
	h := sha256.New()
	for _, data := range [][]byte{c.cert, c.key, c.passphrase} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
		h.Write(data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Pair returns the certificate with its chain and key. They belong together. The
// error is Problems.
func (c *Contents) Pair() (*tls.Certificate, error) {
	if bytes.HasPrefix(c.cert, []byte{0x30}) { // a SEQUENCE: no text begins with one and a length
		return c.pkcs12()
	}
	return c.pem()
}

// Load reads a certificate with its key.
func Load(f Files) (*tls.Certificate, error) {
	c, err := f.Open()
	if err != nil {
		return nil, err
	}
	return c.Pair()
}

// phrase returns the passphrase: the first line of its file.
func (c *Contents) phrase() string {
	line, _, _ := strings.Cut(string(c.passphrase), "\n")
	return strings.TrimSuffix(line, "\r")
}

// locked returns what is wrong if a file does not open with the passphrase.
func (c *Contents) locked(file string) error {
	if c.files.Passphrase == "" {
		return Problems{{Passphrase, "the file with the passphrase of " + file + ", which is encrypted", "nothing"}}
	}
	return Problems{{Passphrase, "the passphrase of " + file, c.files.Passphrase + " with another one"}}
}
