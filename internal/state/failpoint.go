//go:build failpoint

package state

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// STREAMMON_FAILPOINT=step:n makes the process kill itself when it comes to a step of a
// save for the nth time.
func init() {
	at, count, ok := strings.Cut(os.Getenv("STREAMMON_FAILPOINT"), ":")
	n, err := strconv.Atoi(count)
	if !ok || err != nil {
		return
	}
	var passed atomic.Int64
	Step = func(name string) {
		if name == at && passed.Add(1) == int64(n) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}
