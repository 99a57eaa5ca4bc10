package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A secret is made once, for its user alone, and is the same ever after.
func TestSecretFile(t *testing.T) {
	dir := t.TempDir()
	first, err := secretFile(dir, "x.key", 16)
	if err != nil || len(first) != 16 || bytes.Equal(first, make([]byte, 16)) {
		t.Fatalf("secretFile = %x, %v; want 16 random octets", first, err)
	}
	info, err := os.Stat(filepath.Join(dir, "x.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if again, err := secretFile(dir, "x.key", 16); err != nil || !bytes.Equal(again, first) {
		t.Errorf("secretFile = %x, %v; want the same %x", again, err, first)
	}
	if other, err := secretFile(dir, "y.key", 16); err != nil || bytes.Equal(other, first) {
		t.Errorf("secretFile = %x, %v; want another secret in another file", other, err)
	}
}

// A secret is there as a whole or not at all, as where the disk is full: half of one
// would end every start from then on.
func TestSecretFileThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.key")
	if err := os.Mkdir(path+".tmp", 0o700); err != nil { // where it is written first
		t.Fatal(err)
	}
	if secret, err := secretFile(dir, "x.key", 16); err == nil || !strings.Contains(err.Error(), "state_dir: ") {
		t.Errorf("secretFile = %x, %v; want that it cannot be kept", secret, err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a file")
	}
	if err := os.Remove(path + ".tmp"); err != nil {
		t.Fatal(err)
	}
	if _, err := secretFile(dir, "x.key", 16); err != nil {
		t.Errorf("once there is room: %v", err)
	}
}

// A damaged secret is not replaced: every binding and cookie would be lost
// without a word.
func TestSecretFileThatIsDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no-hexadecimal": strings.Repeat("zz", 16), "short": strings.Repeat("ab", 15), "long": strings.Repeat("ab", 17),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.key")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := secretFile(dir, "x.key", 16)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "want 16 octets") {
				t.Errorf("secretFile = %v; want an error that names the file and what it should hold", err)
			}
			if text != "" && err != nil && strings.Contains(err.Error(), text) {
				t.Errorf("the error shows what the file holds: %v", err)
			}
			if now, _ := os.ReadFile(path); string(now) != text {
				t.Error("the file was changed")
			}
		})
	}
}
