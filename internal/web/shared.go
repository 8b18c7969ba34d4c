package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/gzipped"
	"github.com/streammon/streammon/internal/monitor"
)

// shared keeps bodies that were made of one snapshot for at most maxAge, so that many
// requests cost little more than one.
type shared struct {
	mu     sync.Mutex
	of     *monitor.Snapshot
	at     time.Time
	bodies map[string]*body
}

// body is one of an answer, in the forms in which it was asked for.
type body struct {
	plain, zipped []byte
	tag           string
}

// maxBodies is how many are kept: there is a page for each feature, segment and window.
const maxBodies = 100

// maxAge is how old a body may be; it is never that of another snapshot.
const maxAge = time.Second

// get returns the body of the key, made by f if there is none or the key is empty, zipped and with its tag if asked for. One is made at a time.
func (x *shared) get(s *monitor.Snapshot, key string, zip, tag bool, f func() ([]byte, error)) (body, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); x.bodies == nil || x.of != s || now.Sub(x.at) >= maxAge {
		x.of, x.at, x.bodies = s, now, map[string]*body{}
	}
	b := x.bodies[key]
	if b == nil {
		plain, err := f()
		if err != nil {
			return body{}, err
		}
		b = &body{plain: plain}
		if key != "" && len(x.bodies) < maxBodies {
			x.bodies[key] = b
		}
	}
	b.complete(zip, tag)
	return *b, nil
}

// complete makes the forms that are asked for.
func (b *body) complete(zip, tag bool) {
	if zip && b.zipped == nil {
		b.zipped = gzipped.Compress(b.plain)
	}
	if tag && b.tag == "" {
		sum := sha256.Sum256(b.plain)
		b.tag = `W/"` + hex.EncodeToString(sum[:12]) + `"` // weak: of both forms
	}
}

// answer writes the shared body of the key.
func (h *handler) answer(w http.ResponseWriter, s *monitor.Snapshot, key, kind string, f func() ([]byte, error)) {
	b, err := h.shared.get(s, key, false, false, f)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b.plain)))
	w.Write(b.plain)
}

// reply is answer for the API: JSON, with a tag by which the same answer need not be sent again, and compressed for those who take that.
func (h *handler) reply(w http.ResponseWriter, r *http.Request, s *monitor.Snapshot, key string, f func() ([]byte, error)) {
	zip := gzipped.Accepted(r.Header.Get("Accept-Encoding"))
	b, err := h.shared.get(s, key, zip, true, f)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, r, b)
}

// replyAlone is reply without keeping the body: there is one for each of many addresses.
func replyAlone(w http.ResponseWriter, r *http.Request, plain []byte) {
	b := body{plain: plain}
	b.complete(gzipped.Accepted(r.Header.Get("Accept-Encoding")), true)
	write(w, r, b)
}

func write(w http.ResponseWriter, r *http.Request, b body) {
	h := w.Header()
	h.Set("ETag", b.tag)
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Encoding")
	if matches(r.Header.Get("If-None-Match"), b.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", typeJSON)
	out := b.plain
	if b.zipped != nil && gzipped.Accepted(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		out = b.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.Write(out)
}

// matches reports whether a list of tags, as of If-None-Match, has the tag; weak and strong ones are the same.
func matches(list, tag string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
