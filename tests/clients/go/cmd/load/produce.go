package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Producers 0 and 1 are franz-go's, idempotent; 2 and 3 are kafka-go's writers.
const producers = 4

func idempotent(producer uint32) bool { return producer < 2 }

// tally counts what was sent: per partition, each producer's records.
type tally struct {
	lock         sync.Mutex
	bytes        int64
	perPartition []map[uint32]uint64
}

// sender is one client with one codec. send hands a record over in its partition's order; close returns
// when all are acknowledged (or given up, where that is allowed).
type sender interface {
	send(partition int, o origin, value []byte)
	close()
}

func produceAll(stopping context.Context, acks *ackLog) *tally {
	sent := &tally{}
	for range *partitions {
		sent.perPartition = append(sent.perPartition, map[uint32]uint64{})
	}
	var running sync.WaitGroup
	for producer := range uint32(producers) {
		running.Go(func() { produce(stopping, producer, sent, acks) })
	}
	running.Wait()
	return sent
}

// produce sends one producer's share, a fifth of it in each codec. Without a limit the codec changes every 8 MiB.
func produce(stopping context.Context, producer uint32, sent *tally, acks *ackLog) {
	share := *mib << 20 / producers
	stretch := share / int64(len(codecs))
	if share == 0 {
		share, stretch = 1<<62, 8<<20
	}
	source := newSource(*seed + int64(producer))
	next, total, started := make([]uint64, *partitions), int64(0), time.Now()
	for round := int(producer); total < share && stopping.Err() == nil; round++ {
		client := newSender(producer, codecs[round%len(codecs)], acks)
		for until := min(total+stretch, share); total < until && stopping.Err() == nil; {
			partition := source.random.Intn(*partitions)
			o := origin{producer, next[partition]}
			value := source.value(o)
			client.send(partition, o, value)
			next[partition]++
			total += int64(len(value))
			if *rate > 0 {
				due := started.Add(time.Duration(float64(total) / float64(*rate<<20) * float64(time.Second)))
				time.Sleep(time.Until(due))
			}
		}
		client.close()
	}
	sent.lock.Lock()
	defer sent.lock.Unlock()
	sent.bytes += total
	for partition, count := range next {
		sent.perPartition[partition][producer] = count
	}
}

type codec struct {
	name  string
	franz kgo.CompressionCodec
	segm  kafka.Compression
}

var codecs = []codec{
	{"none", kgo.NoCompression(), 0},
	{"gzip", kgo.GzipCompression().WithLevel(1), kafka.Gzip},
	{"snappy", kgo.SnappyCompression(), kafka.Snappy},
	{"lz4", kgo.Lz4Compression(), kafka.Lz4},
	{"zstd", kgo.ZstdCompression(), kafka.Zstd},
}

func newSender(producer uint32, c codec, acks *ackLog) sender {
	if idempotent(producer) {
		return newFranzSender(c, acks)
	}
	return newSegmentioSender(c, acks)
}

type franzSender struct {
	client *kgo.Client
	acks   *ackLog
}

func newFranzSender(c codec, acks *ackLog) *franzSender {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*broker), kgo.ProducerBatchCompression(c.franz), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedBytes(16<<20), kgo.ProducerLinger(2*time.Millisecond), kgo.RecordRetries(1<<30), kgo.UnknownTopicRetries(-1),
		kgo.RequestTimeoutOverhead(20*time.Second), kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
		kgo.ProducerBatchMaxBytes(1<<20), kgo.StopProducerOnDataLossDetected(),
	)
	must(err, "franz-go")
	if *idFile != "" {
		noteProducerID(client)
	}
	return &franzSender{client, acks}
}

func (s *franzSender) send(partition int, o origin, value []byte) {
	record := &kgo.Record{Topic: *topic, Partition: int32(partition), Value: value}
	s.client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
		if err != nil { // An idempotent producer goes on trying; an error here is a promise broken.
			log.Fatalf("WRONG: producer %d, partition %d, record %d: %v", o.producer, partition, o.sequence, err)
		}
		s.acks.add(partition, r.Offset, o)
	})
}

func (s *franzSender) close() {
	must(s.client.Flush(context.Background()), "flush")
	s.client.Close()
}

func noteProducerID(client *kgo.Client) {
	id, epoch, err := client.ProducerID(context.Background())
	for err != nil && *crashes {
		time.Sleep(100 * time.Millisecond)
		id, epoch, err = client.ProducerID(context.Background())
	}
	must(err, "the producer's id")
	file, err := os.OpenFile(*idFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	must(err, *idFile)
	defer file.Close()
	fmt.Fprintln(file, id, epoch)
}

type segmentioSender struct {
	writer    *kafka.Writer
	transport *kafka.Transport
	room      chan struct{}
	lost      atomic.Int64
}

func newSegmentioSender(c codec, acks *ackLog) *segmentioSender {
	s := &segmentioSender{transport: &kafka.Transport{}, room: make(chan struct{}, 4096)}
	s.writer = &kafka.Writer{
		Addr: kafka.TCP(*broker), Topic: *topic, Balancer: byRecord, RequiredAcks: kafka.RequireAll, Compression: c.segm,
		BatchSize: 1000, BatchBytes: 900 << 10, BatchTimeout: 5 * time.Millisecond, Async: true, Transport: s.transport,
		MaxAttempts: 300, WriteBackoffMin: 50 * time.Millisecond, WriteBackoffMax: 200 * time.Millisecond,
		Completion: func(messages []kafka.Message, err error) {
			if err != nil && !*crashes {
				log.Fatalf("WRONG: kafka-go could not write: %v", err)
			}
			for _, message := range messages {
				if err == nil {
					acks.add(message.Partition, message.Offset, message.WriterData.(placed).origin)
				} else {
					s.lost.Add(1)
				}
				<-s.room
			}
		},
	}
	return s
}

type placed struct {
	partition int
	origin    origin
}

// byRecord is a balancer that puts each message where the load wants it.
var byRecord = kafka.BalancerFunc(func(message kafka.Message, _ ...int) int { return message.WriterData.(placed).partition })

func (s *segmentioSender) send(partition int, o origin, value []byte) {
	s.room <- struct{}{}
	for {
		err := s.writer.WriteMessages(context.Background(), kafka.Message{Value: value, WriterData: placed{partition, o}})
		if err == nil {
			return
		}
		if !*crashes { // Before it hands a message to a batch the writer asks for metadata.
			log.Fatalf("WRONG: kafka-go: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *segmentioSender) close() {
	must(s.writer.Close(), "close the writer")
	s.transport.CloseIdleConnections()
	if n := s.lost.Load(); n > 0 {
		log.Printf("kafka-go gave %d records up while the broker was away", n)
	}
}
