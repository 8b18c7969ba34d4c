package app

import (
	"testing"
	"time"
)

// TestPace: work that takes long is done less often, and a process that was stopped during a piece
// goes on as before.
func TestPace(t *testing.T) {
	p := pace{least: time.Second, most: 10 * time.Second, times: 10}
	for i, c := range []struct{ took, want time.Duration }{
		{10 * time.Millisecond, time.Second},
		{10 * time.Minute, time.Second}, // stopped
		{20 * time.Millisecond, time.Second},
		{300 * time.Millisecond, time.Second},
		{400 * time.Millisecond, 3 * time.Second},
		{500 * time.Millisecond, 4 * time.Second},
		{10 * time.Minute, 5 * time.Second},
		{5 * time.Minute, 10 * time.Second}, // stopped again and again
	} {
		if got := p.after(c.took); got != c.want {
			t.Errorf("piece %d took %s: the wait is %s, want %s", i, c.took, got, c.want)
		}
	}
}
