// Package exporter shows the newest snapshot of the board to Prometheus: a collector
// with a registry of its own.
//
// One scrape sees one snapshot. What is undefined is absent, never 0. The number of
// series has a budget that is shared fairly among the models; what does not fit is
// left out by importance, the same from scrape to scrape, and counted.
package exporter
