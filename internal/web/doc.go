// Package web serves the pages, the JSON API, health and the metrics over HTTP. It
// reads the board only; nothing here can touch live state.
package web
