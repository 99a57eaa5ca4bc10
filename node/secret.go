package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A secretFile is a secret of n octets that casbah makes at its first start and
// keeps in the state directory, in hexadecimal, readable by its user alone.
func secretFile(dir, name string, n int) ([]byte, error) {
	secret, err := readSecretFile(dir, name, n)
	if errors.Is(err, fs.ErrNotExist) {
		return newSecretFile(filepath.Join(dir, name), n)
	}
	return secret, err
}

// readSecretFile reads a secret that is there.
func readSecretFile(dir, name string, n int) ([]byte, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path) //nolint:gosec // the state directory is configuration
	if err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != n {
		return nil, fmt.Errorf("state_dir: %s: want %d octets in hexadecimal; remove the file to have a new secret made (clients are then balanced anew)", path, n)
	}
	return secret, nil
}

func newSecretFile(path string, n int) ([]byte, error) {
	secret := make([]byte, n)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("random secret: %w", err)
	}
	err := replaceFile(path, func(w io.Writer) error { // half of it would end every start from now on
		_, err := io.WriteString(w, hex.EncodeToString(secret)+"\n")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	return secret, nil
}

// openStateDir makes the state directory where it lacks.
func openStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state_dir: %w", err)
	}
	return nil
}
