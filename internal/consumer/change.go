package consumer

import (
	"context"
	"errors"
	"fmt"
)

// change is one of what is read.
type change struct {
	topics func() ([]Topic, error)
	done   chan error
}

// errEnded is returned by Change when nothing is read any more.
var errEnded = errors.New("consumer: reading has ended")

// Change stops reading, asks what is to be read from then on, while no call of the handler is under way, and
// goes on with that; an error leaves the topics as they are, and is returned. Partitions go on where Config.Positions says. The
// membership in the group is not touched. wake is called once reading is to stop, for a handler that waits. Before Run the topics change at
// once.
func (c *Consumer) Change(wake func(), topics func() ([]Topic, error)) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	if !c.begun {
		return c.turnTo(topics)
	}
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return errEnded
	}
	next := &change{topics, make(chan error, 1)}
	c.change = next
	if c.stop != nil { // else reading begins with it
		c.stop()
	}
	c.mu.Unlock()
	wake()
	return <-next.done
}

// begin says that Run has begun.
func (c *Consumer) begin() {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.begun = true
}

// turnTo takes other topics.
func (c *Consumer) turnTo(topics func() ([]Topic, error)) error {
	next, err := topics()
	if err != nil {
		return err
	}
	cfg := c.cfg
	if cfg.Topics = next; cfg.validate() != nil {
		return fmt.Errorf("change what is read: %w", cfg.validate())
	}
	c.cfg.Topics = next
	return nil
}

// readAll reads until ctx ends or reading does, with all changes of what is read.
func (c *Consumer) readAll(ctx context.Context, s *shared) error {
	for first := true; ; first = false {
		if !first { // the connections know the topics that they were made for; those of the membership stay
			s.cluster = newCluster(&c.cfg, c.topicNames())
		}
		s.room, s.seen = newRoom(&c.cfg), sightings{}
		err := c.readSome(ctx, s)
		if !first {
			s.cluster.close()
		}
		c.mu.Lock()
		next := c.change
		c.mu.Unlock()
		if next == nil || ctx.Err() != nil || err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		err = c.turnTo(next.topics)
		c.membership.forget(c.topicNames())
		c.mu.Lock()
		c.change, c.partitions, c.assigned = nil, nil, false
		c.mu.Unlock()
		next.done <- err
	}
}

// readSome reads until ctx ends, reading does, or a change is asked for.
func (c *Consumer) readSome(ctx context.Context, s *shared) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.stop = cancel
	if c.change != nil {
		cancel()
	}
	c.mu.Unlock()
	return c.read(ctx, s)
}

// finish refuses the change that was asked for too late, and all others.
func (c *Consumer) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.change != nil {
		c.change.done <- errors.Join(errEnded, err)
	}
}
