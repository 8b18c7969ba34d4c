// Package consumer reads Kafka topics: it hands the records of every partition, in
// offset order and in batches, to a Handler.
//
// Every member of a group reads all partitions of all topics on its own, so that a
// standby is always warm; the consumer group only decides which member is the
// owner, the one that exports, commits and writes dead letters.
//
// Guarantees, for each partition:
//   - offsets are accounted for without a hole: Next − First of a batch is the
//     number of its records and of the offsets that hold none (Skipped), and First
//     is the previous Next plus the offsets that retention took away (Gap);
//   - a batch that is empty, compacted away, aborted, damaged or too large when
//     unpacked never stops the partition and is never handed on as records;
//   - with ReadCommitted, records of open and aborted transactions are not seen;
//   - reading goes on through rebalances, leader changes, throttling, lost brokers
//     and topics that come later; the handler's time is the back-pressure.
//
// It is not a general client: it keeps no offsets (the caller saves them with its
// state and gives them back by Config.Positions), it decodes no payloads, and it
// reads the record batches of Kafka 0.11 and later only.
//
//	c, err := consumer.New(consumer.Config{
//		Brokers: []string{"localhost:9092"}, Group: "streammon", ReadCommitted: true,
//		Topics: []consumer.Topic{{Name: "fraud.predictions"}},
//	}, handler)
//	...
//	err = c.Run(ctx)
package consumer
