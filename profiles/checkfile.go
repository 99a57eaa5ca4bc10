package profiles

import (
	"fmt"
	"os"
	"strings"

	"casbah/internal/pki"
)

// file reads a file that p names.
func (k *checker) file(p place, path string) ([]byte, bool) {
	data, problem := pki.Read(path)
	if problem != nil {
		k.mistake(p, problem.Want, words(problem.Got))
	}
	return data, problem == nil
}

// private notes that a file with a secret is open to everybody.
func (k *checker) private(p place, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		k.note(p, "every user of this machine can read %s", path)
	}
}

// secretFile reads a token or passphrase.
func (k *checker) secretFile(p place, path string) Secret {
	data, ok := k.file(p, path)
	if !ok {
		return ""
	}
	text := strings.TrimSpace(string(data))
	if len(text) < leastSecret {
		k.mistake(p, fmt.Sprintf("a file with at least %d characters in it", leastSecret),
			words(fmt.Sprintf("%s with %d", path, len(text))))
		return ""
	}
	k.private(p, path)
	return Secret(text)
}
