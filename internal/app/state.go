package app

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/state"
)

// ShowState writes what the state in a folder holds.
func ShowState(dir string, w io.Writer) error {
	r, err := state.Inspect(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %d bytes, format %d, saved by %s\n", r.File, r.Size, r.Format, printable(r.Build))
	for _, g := range r.Groups {
		if err := showGroup(w, &g); err != nil {
			return err
		}
	}
	for _, name := range r.Aside {
		fmt.Fprintf(w, "\na damaged file was moved aside: %s\n", name)
	}
	return nil
}

func showGroup(w io.Writer, g *state.GroupReport) error {
	if g.Newest == nil {
		fmt.Fprintf(w, "\n%s: damaged, see streammon state verify\n", groupTitle(g.Name))
		return nil
	}
	newest := g.Slots[0]
	fmt.Fprintf(w, "\n%s: save %d of %s, config %s\n", groupTitle(g.Name), newest.Sequence, newest.Saved.UTC().Format(time.RFC3339), orNone(newest.Config))
	fmt.Fprintf(w, "  %d bytes of state, %d sealed panes and ids (%d bytes)\n", newest.Bytes, newest.Entries, g.Bytes)
	switch g.Name {
	case resultsName:
		p, _, err := readResults(g.Newest.State)
		fmt.Fprintf(w, "  %d bytes of %s\n", p.length, p.name)
		return err
	case lettersName:
		letters, err := readLetterState(g.Newest.State)
		fmt.Fprintf(w, "  %d wait to be written\n", len(letters))
		return err
	}
	parts, err := pipeline.ReadParts(g.Newest.State)
	if err != nil {
		return fmt.Errorf("%s: %w", g.Name, err)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  partition\tfirst\tnext\tconsumed\taccepted\trejected\tlate\tduplicate\tskipped\tlost\t")
	var sum event.Ledger
	for _, p := range parts {
		l := &p.Ledger
		sum.Add(l)
		fmt.Fprintf(t, "  %s/%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", p.Topic, p.Index, p.First, p.Next,
			l.Consumed, l.Accepted, rejected(l), l.Late, l.Duplicate, p.Skipped, p.Gap)
	}
	fmt.Fprintf(t, "  all\t\t\t%d\t%d\t%d\t%d\t%d\t\t\t\n", sum.Consumed, sum.Accepted, rejected(&sum), sum.Late, sum.Duplicate)
	return t.Flush()
}

func groupTitle(name string) string {
	switch name {
	case resultsName:
		return "results"
	case lettersName:
		return "dead letters"
	}
	return "group " + printable(name)
}

// printable quotes what a terminal may obey.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func rejected(l *event.Ledger) (n uint64) {
	for _, r := range l.Rejected {
		n += r
	}
	return n
}

// VerifyState checks every byte of the state in a folder against its checksums and accounts, and
// writes what it finds. The error says that something is damaged, or cannot be read.
func VerifyState(dir string, w io.Writer) error {
	r, err := state.Inspect(dir)
	if err != nil {
		return err
	}
	damaged := 0
	for _, g := range r.Groups {
		for _, s := range g.Slots {
			if s.Err != nil {
				damaged++
				fmt.Fprintf(w, "%s: damaged: %v\n", groupTitle(g.Name), s.Err)
				continue
			}
			fmt.Fprintf(w, "%s: save %d of %s: %d bytes of state and %d entries are whole\n",
				groupTitle(g.Name), s.Sequence, s.Saved.UTC().Format(time.RFC3339), s.Bytes, s.Entries)
		}
		if err := verifyGroup(&g); err != nil {
			damaged++
			fmt.Fprintf(w, "%s: damaged: %v\n", groupTitle(g.Name), err)
		}
	}
	if damaged > 0 {
		return fmt.Errorf("%s: %w in %d places; run will go on from what is whole", r.File, state.ErrDamaged, damaged)
	}
	return nil
}

func verifyGroup(g *state.GroupReport) error {
	if g.Newest == nil {
		return errors.New("no save is whole")
	}
	switch g.Name {
	case resultsName:
		_, _, err := readResults(g.Newest.State)
		return err
	case lettersName:
		_, err := readLetterState(g.Newest.State)
		return err
	}
	parts, err := pipeline.ReadParts(g.Newest.State)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(parts, func(p pipeline.PartState) bool { return !p.Ledger.Balanced() }); i >= 0 {
		return fmt.Errorf("the ledger of %s/%d does not balance: %+v", parts[i].Topic, parts[i].Index, parts[i].Ledger)
	}
	return nil
}
