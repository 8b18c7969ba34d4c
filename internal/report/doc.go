// Package report makes a report of published results: what moved and since when, how good the answers were, the quality of the data,
// distributions, accounts, and where references and config are from. It is one object (Report, its JSON), of which the HTML page and
// the Markdown text are made: whoever has the JSON can make the others.
//
// Equal input gives equal bytes: there is no clock in it but that of the events. It is no archive: of each series it has the newest
// results, and the history that is kept of them.
package report
