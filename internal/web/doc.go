// Package web serves the pages, the JSON API, health and the metrics over HTTP. It
// reads the board only; nothing here can touch live state, but that it may be asked to read the config again.
package web
