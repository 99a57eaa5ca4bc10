package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrUnsaved is in the error of an order that is in force, and that the state
// directory does not hold.
var ErrUnsaved = errors.New("in force, but it would not outlive a restart")

// maxStateFile is the longest stateFile that is read, in octets.
const maxStateFile = 4 << 20

// stateFile is a small file of the state directory that holds, as JSON, what an
// operator has set and a restart should not undo.
type stateFile struct{ path string }

// load decodes the file into what into points to. One that is not there leaves
// it as it is; one that cannot be read, or that holds what this version does not
// know, is set aside.
func (f stateFile) load(into any) error {
	text, err := readAtMost(f.path, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		err = dec.Decode(into)
	}
	if err != nil {
		return setAside(f.path, err)
	}
	return nil
}

// save puts v in the file's place; on an error the one that was there stays.
func (f stateFile) save(v any) error {
	return replaceFile(f.path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ") // for an administrator who looks into it
		return enc.Encode(v)
	})
}

// readAtMost reads a file, and refuses one that is longer than limit octets.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the state directory is configuration
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is longer than %d octets", limit)
	}
	return text, err
}

// setAside renames a file that was refused because of why, so that the next
// save does not replace it.
func setAside(path string, why error) error {
	aside := path + ".damaged"
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("%s: %w (and it cannot be set aside: %w)", filepath.Base(path), why, err)
	}
	return fmt.Errorf("%s: %w (it is kept as %s)", filepath.Base(path), why, aside)
}
