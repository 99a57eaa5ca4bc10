package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// manager tells systemd how casbah fares, as a unit with Type=notify asks for; see
// sd_notify(3). Where nobody asks, nothing is told.
type manager struct{ log zerolog.Logger }

func (m manager) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn().Err(err).Msg("systemd cannot be told")
	}
}

// ready tells that every listener is open, or a reload done.
func (m manager) ready() { m.tell(daemon.SdNotifyReady) }

// reloading tells that a reload begins; ready follows.
func (m manager) reloading() {
	m.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// stopGrace is what casbah takes to stop besides the drain, with much to save.
const stopGrace = time.Minute

// stopping tells that casbah stops, and how long that may take: TimeoutStopSec need
// not know of drain_timeout.
func (m manager) stopping(drain time.Duration) {
	m.tell(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (drain + stopGrace).Microseconds()))
}

// watch tells that casbah is alive until ctx ends, where systemd asks for it: as
// long as no event loop lags behind by half of the time that it allows.
func (m manager) watch(ctx context.Context, lag func() time.Duration) {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn().Err(err).Msg("WatchdogSec is not understood")
	}
	if err != nil || allowed == 0 {
		return
	}
	tick := time.NewTicker(allowed / 4)
	defer tick.Stop()
	for {
		if late := lag(); late < allowed/2 {
			m.tell(daemon.SdNotifyWatchdog)
		} else {
			m.log.Error().Dur("lag", late).Msg("an event loop does not answer: systemd is not told that casbah lives")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
