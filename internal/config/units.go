package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// units of durations, the longest first.
var units = []struct {
	name   string
	length time.Duration
}{{"w", week}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

var durationPart = regexp.MustCompile(`^([0-9]+)(ms|[wdhms])`)

// ParseDuration reads whole numbers with units, the longest unit first and each
// at most once, such as 1h30m.
func ParseDuration(s string) (time.Duration, bool) {
	var sum time.Duration
	next := 0
	for rest := s; rest != "" || s == ""; {
		part := durationPart.FindStringSubmatch(rest)
		if part == nil {
			return 0, false
		}
		n, err := strconv.ParseInt(part[1], 10, 64)
		for next < len(units) && units[next].name != part[2] {
			next++
		}
		if err != nil || next == len(units) || n > int64((math.MaxInt64-sum)/units[next].length) {
			return 0, false
		}
		sum += time.Duration(n) * units[next].length
		next++
		rest = rest[len(part[0]):]
	}
	return sum, true
}

// FormatDuration writes a duration as ParseDuration reads it, such as 1d12h.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units[1:] { // 31d reads better than 4w3d
		if n := d / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d %= u.length
		}
	}
	return b.String()
}

// duration reads a duration from low to high.
func (v value) duration(to *time.Duration, low, high time.Duration) {
	d, ok := v.anyDuration()
	if ok && (d < low || d > high) {
		v.fail("%s is not between %s and %s", FormatDuration(d), FormatDuration(low), FormatDuration(high))
		return
	}
	if ok {
		*to = d
	}
}

func (v value) anyDuration() (time.Duration, bool) {
	if v.scalar() {
		if d, ok := ParseDuration(v.n.text); ok {
			return d, true
		}
		if n, err := strconv.Atoi(v.n.text); err == nil && n >= 0 {
			v.fail("%d has no unit: write ms, s, m, h, d or w after the number, such as %ds", n, n)
			return 0, false
		}
	}
	v.want("a duration such as 30s, 5m, 1h30m or 7d")
	return 0, false
}

var sizeText = regexp.MustCompile(`^([0-9]{1,12})(B|KiB|MiB)?$`)

// size reads a number of bytes from 1 to high.
func (v value) size(to *int, high int) {
	part := sizeText.FindStringSubmatch(v.n.text)
	if part != nil {
		n, _ := strconv.Atoi(part[1])
		switch part[2] {
		case "KiB":
			n <<= 10
		case "MiB":
			n <<= 20
		}
		if 1 <= n && n <= high {
			*to = n
			return
		}
	}
	v.want(fmt.Sprintf("a size from 1 to %dKiB, such as 4096, 64KiB or 1MiB,", high>>10))
}
