// Package franz runs twmb/franz-go against the broker in $BROKER. It speaks the newest version of each
// API: topic ids in Produce and Fetch, incremental fetch sessions, idempotence by default.
package franz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millstream/clients/internal/harness"
)

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, options ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(harness.Broker(t)), kgo.ProducerBatchMaxBytes(7 << 20)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newTopic(t *testing.T, partitions int32) string {
	name, size := harness.Topic(t), harness.MaxMessageBytes
	admin := kadm.NewClient(client(t))
	answer, err := admin.CreateTopic(deadline(t), partitions, 1, map[string]*string{"max.message.bytes": &size}, name)
	if err != nil || answer.Err != nil {
		t.Fatal(err, answer.Err)
	}
	return name
}

// consume reads count records of a partition from an offset, and checks that no offset is left out.
func consume(t *testing.T, topic string, partition int32, from int64, count int) []*kgo.Record {
	c := client(t, kgo.FetchMaxWait(500*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}))
	var records []*kgo.Record
	for len(records) < count {
		fetches := c.PollFetches(deadline(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	for i, record := range records {
		if record.Offset != from+int64(i) {
			t.Fatalf("offset %d where %d should come", record.Offset, from+int64(i))
		}
	}
	return records
}

func TestEveryCodecAndAcknowledgementCarriesEverySize(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	acks := map[string][]kgo.Opt{
		"idempotent": {kgo.RequiredAcks(kgo.AllISRAcks())},
		"all":        {kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite()},
		"leader":     {kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()},
		"none":       {kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()},
	}
	for codec, compression := range codecs {
		for ack, options := range acks {
			t.Run(codec+"/acks "+ack, func(t *testing.T) {
				topic := newTopic(t, 1)
				producer := client(t, append(options, kgo.ProducerBatchCompression(compression), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
				var sent []*kgo.Record
				for i, size := range harness.Sizes {
					sent = append(sent, &kgo.Record{
						Topic: topic, Key: []byte(strconv.Itoa(i)), Value: harness.Value(int64(i), size),
						Headers: []kgo.RecordHeader{{Key: "size", Value: []byte(strconv.Itoa(size))}, {Key: "null", Value: nil}},
					}, &kgo.Record{Topic: topic, Value: []byte("no key")}, &kgo.Record{Topic: topic, Key: []byte("no value")}, &kgo.Record{Topic: topic})
				}
				if err := producer.ProduceSync(deadline(t), sent...).FirstErr(); err != nil {
					t.Fatal(err)
				}
				for i, got := range consume(t, topic, 0, 0, len(sent)) {
					compare(t, sent[i], got)
				}
			})
		}
	}
}

func compare(t *testing.T, sent, got *kgo.Record) {
	t.Helper()
	if !same(sent.Key, got.Key) || !same(sent.Value, got.Value) {
		t.Errorf("offset %d: sent key %q, %s; got key %q, %s", got.Offset, sent.Key, harness.Sum(sent.Value), got.Key, harness.Sum(got.Value))
	}
	if fmt.Sprint(sent.Headers) != fmt.Sprint(got.Headers) || sent.Timestamp.UnixMilli() != got.Timestamp.UnixMilli() {
		t.Errorf("offset %d: sent headers %v at %v, got %v at %v", got.Offset, sent.Headers, sent.Timestamp, got.Headers, got.Timestamp)
	}
}

func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func TestAFetchSessionOverManyPartitionsDeliversEachOnce(t *testing.T) {
	const partitions, perPartition = 12, 500
	topic := newTopic(t, partitions)
	offsets := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		offsets[p] = kgo.NewOffset().AtStart()
	}
	consumer := client(t, kgo.FetchMaxWait(200*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	producer := client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond))
	go func() {
		for n := range perPartition {
			for p := range int32(partitions) {
				producer.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: p, Value: harness.Sequence(n)}, nil)
			}
			time.Sleep(2 * time.Millisecond) // A partition is now idle, now busy: the session changes.
		}
	}()
	next, total := [partitions]int{}, 0
	for total < partitions*perPartition {
		fetches := consumer.PollFetches(deadline(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if harness.Number(r.Value) != next[r.Partition] || r.Offset != int64(next[r.Partition]) {
				t.Errorf("partition %d: number %d at offset %d where %d should come", r.Partition, harness.Number(r.Value), r.Offset, next[r.Partition])
			}
			next[r.Partition]++
			total++
		})
	}
}

func TestEachProducerGetsAnIdOfItsOwn(t *testing.T) {
	c, seen := client(t), map[int64]bool{}
	for range 2500 { // More than two blocks of ids.
		request := kmsg.NewPtrInitProducerIDRequest()
		request.ProducerID, request.ProducerEpoch = -1, -1
		answer, err := request.RequestWith(deadline(t), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
			if kerr.IsRetriable(err) {
				continue
			}
			t.Fatal(err)
		}
		if seen[answer.ProducerID] || answer.ProducerID < 0 || answer.ProducerEpoch != 0 {
			t.Fatalf("producer id %d, epoch %d came again", answer.ProducerID, answer.ProducerEpoch)
		}
		seen[answer.ProducerID] = true
	}
	if len(seen) < 2000 {
		t.Fatalf("only %d ids", len(seen))
	}
}

func TestOffsetsAreFoundByEverySpecialTimestamp(t *testing.T) {
	topic := newTopic(t, 1)
	start := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())
	var records []*kgo.Record
	for n := range 100 {
		// The largest timestamp is not the last one: record 90 holds it.
		seconds := n
		if n == 90 {
			seconds = 500
		}
		records = append(records, &kgo.Record{Topic: topic, Value: harness.Sequence(n), Timestamp: start.Add(time.Duration(seconds) * time.Second)})
	}
	c := client(t)
	if err := c.ProduceSync(deadline(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, look := range []struct {
		what   string
		at     int64
		offset int64
	}{
		{"latest", -1, 100}, {"earliest", -2, 0}, {"largest timestamp", -3, 90}, {"earliest local", -4, 0}, {"latest tiered", -5, -1},
		{"exactly 40 s", start.Add(40 * time.Second).UnixMilli(), 40}, {"past 40 s", start.Add(40*time.Second).UnixMilli() + 1, 41},
		{"only 90 is as late", start.Add(200 * time.Second).UnixMilli(), 90}, {"after all", start.Add(501 * time.Second).UnixMilli(), -1},
		{"the epoch", 0, 0},
	} {
		request := kmsg.NewPtrListOffsetsRequest()
		request.ReplicaID = -1
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Timestamp, partition.CurrentLeaderEpoch = look.at, -1
		request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{partition}}}
		answer, err := request.RequestWith(deadline(t), c)
		if err != nil {
			t.Fatal(err)
		}
		got := answer.Topics[0].Partitions[0]
		if got.ErrorCode != 0 || got.Offset != look.offset {
			t.Errorf("%s: offset %d, error %v; expected %d", look.what, got.Offset, kerr.ErrorForCode(got.ErrorCode), look.offset)
		}
	}
}

func TestAdminSeesTopicsByNameAndById(t *testing.T) {
	topic := newTopic(t, 3)
	admin := kadm.NewClient(client(t))
	details, err := admin.ListTopics(deadline(t), topic)
	if err != nil || details[topic].Err != nil || len(details[topic].Partitions) != 3 || details[topic].ID == (kadm.TopicID{}) {
		t.Fatalf("%+v, %v", details, err)
	}
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{{TopicID: details[topic].ID}}
	answer, err := request.RequestWith(deadline(t), client(t))
	if err != nil || answer.Topics[0].ErrorCode != 0 || *answer.Topics[0].Topic != topic {
		t.Errorf("by id: %+v, %v", answer, err)
	}
	configs, err := admin.DescribeTopicConfigs(deadline(t), topic)
	if err != nil || configs[0].Err != nil {
		t.Fatal(configs, err)
	}
	found := false
	for _, config := range configs[0].Configs {
		found = found || config.Key == "max.message.bytes" && config.MaybeValue() == harness.MaxMessageBytes && config.Source == kmsg.ConfigSourceDynamicTopicConfig
	}
	if !found {
		t.Errorf("max.message.bytes is not told: %v", configs[0].Configs)
	}
	brokers, err := admin.BrokerMetadata(deadline(t))
	if err != nil || len(brokers.Brokers) != 1 || brokers.Cluster == "" {
		t.Errorf("%+v, %v", brokers, err)
	}
	deleted, err := admin.DeleteTopic(deadline(t), topic)
	if err != nil || deleted.Err != nil {
		t.Fatal(err, deleted.Err)
	}
	if _, err := admin.DeleteTopic(deadline(t), topic); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a second deletion said %v", err)
	}
}
