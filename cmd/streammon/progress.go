package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// bar is a progress bar on a terminal, and nothing elsewhere.
type bar struct {
	w     io.Writer
	what  string
	start time.Time
	last  time.Time
	on    bool
}

func newBar(w io.Writer, what string) *bar {
	f, ok := w.(*os.File)
	return &bar{w: w, what: what, start: time.Now(), on: ok && term.IsTerminal(int(f.Fd()))}
}

const barWidth = 30

// bytes shows that so many of total bytes are done; total is -1 if unknown.
func (b *bar) bytes(done, total int64) {
	now := time.Now()
	if !b.on || now.Sub(b.last) < 100*time.Millisecond {
		return
	}
	b.last = now
	rate := float64(done) / 1e6 / max(now.Sub(b.start).Seconds(), 1e-3)
	if total <= 0 {
		fmt.Fprintf(b.w, "\r\x1b[K%s %.1f MB, %.1f MB/s", b.what, float64(done)/1e6, rate)
		return
	}
	share := min(float64(done)/float64(total), 1)
	full := int(share * barWidth)
	left := time.Duration((1/max(share, 1e-3) - 1) * float64(now.Sub(b.start))).Round(time.Second)
	fmt.Fprintf(b.w, "\r\x1b[K%s [%s%s] %3.0f %%, %.1f MB/s, %s left", b.what, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*share, rate, left)
}

// features shows that so many features are calibrated.
func (b *bar) features(done, all int) {
	if b.on {
		fmt.Fprintf(b.w, "\r\x1b[K%s: %d of %d features calibrated", b.what, done, all)
	}
}

// done removes the bar.
func (b *bar) done() {
	if b.on {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
