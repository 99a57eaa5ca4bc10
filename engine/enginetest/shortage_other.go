//go:build !linux

package enginetest

func shortage(t *trial) { t.Skip("the shortage is made by a limit of Linux") }
