//go:build !linux

package enginetest

func moveUnpaced(t *trial) { t.Skip("pacing is Linux's") }
