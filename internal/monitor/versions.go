package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/event"
)

// versions are the live versions of one model in one lane: those that were seen
// first. One that was silent for the longest window gives its place to a new one
// when all are taken. It is a function of the lane's accepted predictions alone.
type versions struct {
	live []liveVersion
	last int
}

type liveVersion struct {
	name     string
	lastSeen int64
}

// admit returns the name under which an accepted prediction of the version is
// counted: its own, or event.Other. largest is the lane's largest accepted time,
// the prediction's included.
func (v *versions) admit(name []byte, t, largest, silence int64) string {
	if v.last < len(v.live) && v.live[v.last].name == string(name) {
		return v.seen(v.last, t)
	}
	for i := range v.live {
		if v.live[i].name == string(name) {
			return v.seen(i, t)
		}
	}
	if len(v.live) == MaxLiveVersions {
		v.live = slices.DeleteFunc(v.live, func(l liveVersion) bool { return largest-l.lastSeen >= silence })
	}
	if len(v.live) == MaxLiveVersions || string(name) == event.Other {
		return event.Other
	}
	v.live = append(v.live, liveVersion{string(name), t})
	return v.seen(len(v.live)-1, t)
}

func (v *versions) seen(i int, t int64) string {
	v.last = i
	v.live[i].lastSeen = max(v.live[i].lastSeen, t)
	return v.live[i].name
}
