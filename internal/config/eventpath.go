package config

import "regexp"

// eventPath is names after dots or in brackets: $.a.b, a.b, $['odd key'].b. In quotes a
// backslash takes what follows as it is.
var eventPath = func() *regexp.Regexp {
	const (
		letter  = `[^.\[\]'"* \pC]`
		first   = `[^$.\[\]'"* \pC]` // no dollar: $a is a mistake for $.a
		bracket = `(\['([^'\\\pC]|\\\PC)+'\]|\["([^"\\\pC]|\\\PC)+"\])`
	)
	return regexp.MustCompile(`^(\$\.` + letter + `+|\$?` + bracket + `|` + first + letter + `*)(\.` + letter + `+|` + bracket + `)*$`)
}()

// eventPath reads where a value is in a message.
func (v value) eventPath(to *string) {
	if !v.scalar() || len(v.n.text) > maxNameBytes || !eventPath.MatchString(v.n.text) {
		v.want("a path such as $.a.b or $['odd key'].b")
		return
	}
	*to = v.n.text
}

// objectPath reads where an object is in a message; $ is the message.
func (v value) objectPath(to *string) {
	if v.scalar() && v.n.text == "$" {
		*to = "$"
		return
	}
	if v.n.kind == mapping {
		v.fail("a mapping where one path is wanted; the path of a single feature or segment goes where that is listed")
		return
	}
	v.eventPath(to)
}
