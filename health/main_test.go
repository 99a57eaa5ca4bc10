package health

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a probe leaves a goroutine behind, whatever its server does.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
