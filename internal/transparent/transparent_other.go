//go:build !linux

package transparent

import (
	"errors"
	"syscall"
)

var errLinux = errors.New("it needs Linux")

// Control refuses.
func Control(string, string, syscall.RawConn) error { return errLinux }

// Permitted refuses.
func Permitted() error { return errLinux }
