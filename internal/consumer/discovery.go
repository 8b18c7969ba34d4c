package consumer

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// discovery looks for the topics and their partitions and starts to read each of
// them once.
type discovery struct {
	*shared
	consumer *Consumer
	readers  *errgroup.Group
	known    map[string]int // partitions of a topic that are being read
	looked   bool           // the metadata were seen once
	retry    backoff
	problem  string
}

// run looks every MetadataInterval until ctx ends, or until the partitions are
// complete if only those of the start are wanted. It never fails.
func (d *discovery) run(ctx context.Context) error {
	for ctx.Err() == nil {
		complete, err := d.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		d.report(complete, err)
		switch {
		case complete && d.cfg.UntilEnd:
			return nil
		case err != nil && !d.looked:
			d.retry.wait(ctx)
		default:
			pause(ctx, d.cfg.MetadataInterval)
		}
	}
	return nil
}

// look starts what is new and reports whether all topics are being read. The error
// says what keeps a topic from it.
func (d *discovery) look(ctx context.Context) (complete bool, err error) {
	topics, err := d.cluster.topics(ctx, d.consumer.topicNames())
	if err != nil {
		return d.allKnown(), err
	}
	d.sight(ctx)
	complete = true
	var waiting []string
	for _, t := range d.cfg.Topics {
		if info := topics[t.Name]; info.err != nil || info.partitions == 0 {
			complete = false
			waiting = append(waiting, fmt.Sprintf("topic %q: %v", t.Name, orMissing(info.err)))
		}
	}
	if complete || !d.cfg.UntilEnd {
		d.begin(ctx, topics)
	}
	d.looked = true
	if !complete {
		err = fmt.Errorf("waiting for %s", strings.Join(waiting, "; "))
	}
	return complete, err
}

// sight notes the ids of the topics, for the partitions to compare with theirs. A
// failure means nothing: they ask for themselves when a fetch fails.
func (d *discovery) sight(ctx context.Context) {
	if ids, err := d.cluster.identities(ctx, d.consumer.topicNames(), -1); err == nil {
		d.seen.note(ids)
		d.fewer(ctx, ids)
	}
}

// fewer tells the handler of topics that have fewer partitions than it has: only one that was made anew can. What any
// broker has told is a reason to ask a leader and no more: it may not know of partitions that were added.
func (d *discovery) fewer(ctx context.Context, seen map[string]identity) {
	if d.cfg.OnFewer == nil {
		return
	}
	for _, t := range d.cfg.Topics {
		if n := seen[t.Name].partitions; n == 0 || n >= d.cfg.Partitions(t.Name) {
			continue
		}
		told, err := d.cluster.identities(ctx, []string{t.Name}, 0)
		if now := told[t.Name]; err == nil && now.code == 0 && now.partitions > 0 && now.id != (topicID{}) {
			d.cfg.OnFewer(t.Name, now.partitions, now.id)
		}
	}
}

func orMissing(err error) error {
	if err == nil {
		return fmt.Errorf("it has no partitions")
	}
	return err
}

func (d *discovery) allKnown() bool { return len(d.known) == len(d.cfg.Topics) }

// begin starts the partitions that are not read yet. All counts are told first, so
// that nothing is handed on before the handler knows of all of them.
func (d *discovery) begin(ctx context.Context, topics map[string]topicInfo) {
	var added []*partition
	for _, t := range d.cfg.Topics {
		n, before := topics[t.Name].partitions, d.known[t.Name]
		if n <= before {
			continue
		}
		d.known[t.Name] = n
		if d.cfg.OnPartitions != nil {
			d.cfg.OnPartitions(t.Name, n)
		}
		d.cfg.Logger.Info("reading topic", "topic", t.Name, "partitions", n, "added", n-before)
		if d.looked && t.Start.Policy == StartLatest {
			t.Start.Policy = StartEarliest // it was not there at the start
		}
		for id := before; id < n; id++ {
			added = append(added, newPartition(d.shared, t, id))
		}
	}
	d.consumer.add(added)
	d.consumer.membership.topicsExist(d.known)
	for _, p := range added {
		d.readers.Go(func() error { return p.run(ctx) })
	}
}

// report logs a change of what is wrong, once.
func (d *discovery) report(complete bool, err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != d.problem {
		if problem != "" {
			d.cfg.Logger.Warn("cannot read all topics yet", "err", problem)
		} else {
			d.cfg.Logger.Info("reading all topics")
		}
	}
	d.problem = problem
	d.consumer.note(complete, problem)
}
