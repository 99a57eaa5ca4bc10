package e2e

import (
	"fmt"
	"os/exec"
	"regexp"
	"sync"
	"testing"
)

// Three users' impacket at once by NTLM, from one address as behind a gateway: each of
// their connections is whole, and none has a channel of another user.
func TestRealUsersOfRPCOverHTTP(t *testing.T) {
	t.Parallel()
	real(t)
	const each = 8
	line := regexp.MustCompile(`(?m)^server cas\d, \d interfaces$`)
	modes(t, func(t *testing.T, m mode) {
		r := newRig(t, setup{mode: m, pool: `algorithm = "round_robin"`})
		var group sync.WaitGroup
		for _, login := range []string{"alice:Secret1", "bob:Secret2", "carol:Secret3"} {
			group.Go(func() {
				out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "rpcmap.py", r.base(), "ntlm:LAB/"+login,
					"127.0.0.88", "127.0.0.88", "call", fmt.Sprint(each)).CombinedOutput()
				if n := len(line.FindAllString(string(out), -1)); err != nil || n != each {
					t.Errorf("%s: %d of %d connections were whole: %v\n%s", login, n, each, err, out)
				}
			})
		}
		group.Wait()
		logons, splits := uint64(0), uint64(0)
		for _, cas := range r.array.Servers() {
			logons += cas.Counts().Logons
			splits += cas.Counts().Splits
		}
		if n := r.array.Leaks(); n != 0 || splits != 0 || logons != 2*3*each {
			t.Errorf("%d channels of foreign users, %d splits, %d logons; want 0, 0, %d", n, splits, logons, 2*3*each)
		}
		if by, n := r.splits(); len(by) > 0 || n != 3*each {
			t.Errorf("%v splits of %d connections; want 0 of %d", by, n, 3*each)
		}
	})
}
