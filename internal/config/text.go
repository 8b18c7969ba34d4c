package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// other is what is counted under no name of its own; no name may be that.
const other = "__other__"

const (
	maxNameBytes = 256
	maxTextBytes = 4096 // of secrets and file names
)

// quote shows text in a message, at a bearable length.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return strconv.Quote(string(r[:most]) + "…")
	}
	return strconv.Quote(s)
}

// join appends a key to a path.
func join(path, key string) string {
	switch {
	case !wordText.MatchString(key):
		return path + "[" + quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

var wordText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// name reads text that can be a label value: not empty, printable, not too long.
func (v value) name(to *string) { v.text(to, maxNameBytes) }

func (v value) text(to *string, maxBytes int) {
	if !v.scalar() {
		v.want("text")
		return
	}
	if problem := problem(v.n.text, maxBytes); problem != "" {
		v.fail("%s %s", v.n, problem)
		return
	}
	*to = v.n.text
}

// problem says what is wrong with a name or other text, if anything.
func problem(s string, maxBytes int) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxBytes:
		return fmt.Sprintf("is longer than %d bytes", maxBytes)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a control character"
	case s == other:
		return "is reserved for what has no name of its own"
	}
	return ""
}

var topicText = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// topic reads the name of a Kafka topic.
func (v value) topic(to *string) {
	if !v.scalar() || !topicText.MatchString(v.n.text) || v.n.text == "." || v.n.text == ".." {
		v.want("a Kafka topic (1 to 249 of a-z, A-Z, 0-9, dot, underscore, hyphen)")
		return
	}
	*to = v.n.text
}

// file reads the name of a file and resolves it against the config's folder.
func (v value) file(to *string) {
	var name string
	if v.text(&name, maxTextBytes); name != "" {
		*to = v.r.resolve(name)
	}
}

func (r *reader) resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// unreadable says why a file cannot be read, or nothing.
func unreadable(name string) string {
	f, err := os.Open(name)
	if err == nil {
		defer f.Close()
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			return name + " is a folder"
		}
		return ""
	}
	return name + " cannot be read: " + reason(err)
}

func reason(err error) string {
	if e, ok := err.(*os.PathError); ok { //nolint:errorlint // os.Open returns it bare
		err = e.Err
	}
	return err.Error()
}

// variable is what begins with a dollar sign: an escape, a variable, or a mistake.
var variable = regexp.MustCompile(`\$(\$|\{[A-Za-z_][A-Za-z0-9_]*\})?`)

// expanded reads text in which ${NAME} stands for the environment variable and $$
// for a dollar sign. It may be a secret: no message shows it.
func (v value) expanded(to *string) {
	if !v.scalar() {
		v.want("text")
		return
	}
	ok := true
	text := variable.ReplaceAllStringFunc(v.n.text, func(s string) string {
		if s == "$$" {
			return "$"
		}
		if s == "$" {
			v.fail("a $ that begins no ${NAME} is written $$")
			ok = false
			return ""
		}
		name := s[2 : len(s)-1]
		x, set := os.LookupEnv(name)
		if !set {
			v.fail("the environment variable %s is not set", name)
			ok = false
		}
		return x
	})
	if !ok {
		return
	}
	if problem := problem(text, maxTextBytes); problem != "" {
		v.fail("the value %s", problem)
		return
	}
	*to = text
}

// expandedFile is file with variables.
func (v value) expandedFile(to *string) {
	var name string
	if v.expanded(&name); name != "" {
		*to = v.r.resolve(name)
		if problem := unreadable(*to); problem != "" {
			v.r.warn(v.path, "%s", problem)
		}
	}
}

// broker reads an address.
func (v value) broker(to *string) {
	var s string
	if v.expanded(&s); s == "" {
		return
	}
	host, port, err := net.SplitHostPort(s)
	n, badPort := strconv.ParseUint(port, 10, 16)
	if err != nil || badPort != nil || n == 0 || host == "" || strings.ContainsAny(host, " /,@") {
		v.fail("%s where a broker's host:port, such as localhost:9092, is wanted", quote(s))
		return
	}
	*to = s
}
