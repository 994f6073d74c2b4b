package main

import (
	"context"
	"errors"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startConsumers reads even partitions with one franz-go client, odd ones with a kafka-go reader each.
func startConsumers(ctx context.Context, c *checker) *sync.WaitGroup {
	var running sync.WaitGroup
	var even []int
	for partition := range *partitions {
		if partition%2 == 0 {
			even = append(even, partition)
		} else {
			running.Go(func() { consumeSegmentio(ctx, partition, c) })
		}
	}
	running.Go(func() {
		consumeFranz(ctx, even, func(r *kgo.Record) bool {
			c.observe(int(r.Partition), r.Offset, r.Value)
			return true
		})
	})
	return &running
}

func consumeFranz(ctx context.Context, wanted []int, visit func(*kgo.Record) bool) {
	offsets := map[int32]kgo.Offset{}
	for _, partition := range wanted {
		offsets[int32(partition)] = kgo.NewOffset().At(0)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker), kgo.FetchMaxWait(500*time.Millisecond), kgo.FetchMaxBytes(16<<20),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{*topic: offsets}))
	must(err, "franz-go")
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(_ string, partition int32, err error) {
			if !*crashes {
				log.Fatalf("WRONG: fetch of partition %d: %v", partition, err)
			}
		})
		for records := fetches.RecordIter(); !records.Done(); {
			if !visit(records.Next()) {
				return
			}
		}
	}
}

func consumeSegmentio(ctx context.Context, partition int, c *checker) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{*broker}, Topic: *topic, Partition: partition, MaxBytes: 4 << 20, QueueCapacity: 1000,
		MaxWait: 500 * time.Millisecond, ReadBackoffMin: 20 * time.Millisecond, ReadBackoffMax: 200 * time.Millisecond,
	})
	defer reader.Close()
	for {
		message, err := reader.ReadMessage(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !*crashes {
				log.Fatalf("WRONG: partition %d: %v", partition, err)
			}
			time.Sleep(50 * time.Millisecond)
			continue
		}
		c.observe(partition, message.Offset, message.Value)
	}
}

func admin() (*kadm.Client, func()) {
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker))
	must(err, "franz-go")
	return kadm.NewClient(client), client.Close
}

func createTopic() {
	a, closeAdmin := admin()
	defer closeAdmin()
	configs := map[string]*string{}
	for pair := range strings.SplitSeq(*config, ",") {
		if key, value, found := strings.Cut(pair, "="); found {
			configs[key] = &value
		}
	}
	answer, err := a.CreateTopic(context.Background(), int32(*partitions), 1, configs, *topic)
	if !errors.Is(answer.Err, kerr.TopicAlreadyExists) {
		must(err, "create the topic")
	}
	for { // Its leaders are known a little later.
		details, err := a.ListTopics(context.Background(), *topic)
		must(err, "metadata")
		if details.Error() == nil && len(details[*topic].Partitions) == *partitions {
			time.Sleep(200 * time.Millisecond)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func endOffsets() []int64 {
	a, closeAdmin := admin()
	defer closeAdmin()
	listed, err := a.ListEndOffsets(context.Background(), *topic)
	must(err, "end offsets")
	must(listed.Error(), "end offsets")
	ends := make([]int64, *partitions)
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}
