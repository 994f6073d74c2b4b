// Hostile sends a broker what no client should: random bytes, frames cut off, frames whose lengths and counts
// lie, and a thousand connections that send a byte a second. Meanwhile a healthy client produces and fetches.
// Its 99th percentile must stay within twice what it is, by turns, while the same crowd is civil: as many
// connections in the same rhythm, each with sound requests whose answers it reads, and the slow ones to a sink.
// So what the crowd itself costs the machine, and its requests the broker, counts on both sides. The middle one of
// five turns is held against the middle one, and below a floor a difference is noise.
//
//	hostile -broker HOST:PORT -seconds 20
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	broker  = flag.String("broker", os.Getenv("BROKER"), "address of the broker")
	seconds = flag.Int("seconds", 20, "how long")
	slow    = flag.Int("slow", 1000, "connections that send a byte a second")
	seed    = flag.Int64("seed", time.Now().UnixNano(), "of the bytes")
	factor  = flag.Float64("factor", 2, "how much slower the healthy client may become; 0: it is only told")
	only    = flag.Int("only", -1, "the number of one kind of attack, instead of all")
	floor   = flag.Duration("floor", 5*time.Millisecond, "a 99th percentile below this is always good")
)

func main() {
	flag.Parse()
	log.Printf("seed %d", *seed)
	healthy := newHealthy()
	healthy.run(2 * time.Second) // warm
	log.Printf("healthy client alone: %s", figuresOf(healthy.run(time.Duration(max(3, *seconds/10))*time.Second)))

	sink := listenAndDiscard()
	var before, during []figures
	const turns = 5
	for range turns {
		length := time.Duration(*seconds) * time.Second / turns
		before = append(before, figuresOf(healthy.among(civil, sink, length/2)))
		log.Printf("healthy client among as many civil ones: %s", before[len(before)-1])
		during = append(during, figuresOf(healthy.among(attack, *broker, length)))
		log.Printf("healthy client while the broker is attacked, %d slow connections among it: %s", *slow, during[len(during)-1])
	}
	for i := range kinds {
		log.Printf("%8d times %s", attacks[i].Load(), kinds[i].what)
		if attacks[i].Load() == 0 && *only < 0 {
			log.Fatal("WRONG: an attack never took place")
		}
	}
	log.Printf("healthy client afterwards: %s", figuresOf(healthy.run(2*time.Second)))
	amongCivil, amongHostile := middle(before), middle(during)
	log.Printf("its 99th percentile in the middle one of the turns: among civil ones %v, among hostile ones %v", amongCivil, amongHostile)
	if *factor > 0 && amongHostile > max(time.Duration(*factor*float64(amongCivil)), *floor) {
		log.Fatal("WRONG: it rose")
	}
}

// attacks counts what was sent to the broker, by kind.
var attacks [len(kinds)]atomic.Int64

// among runs the healthy client in a crowd of one neighbour for each kind of attack, and the slow connections, to slowTo.
func (h *healthy) among(neighbour func(context.Context, *rand.Rand, int), slowTo string, length time.Duration) []time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), length+30*time.Second)
	var running sync.WaitGroup
	for i := range kinds {
		if *only >= 0 && *only != i {
			continue
		}
		random := rand.New(rand.NewSource(*seed + int64(h.turn*len(kinds)+i)))
		running.Go(func() { neighbour(ctx, random, i) })
	}
	for range *slow {
		running.Go(func() { drip(ctx, slowTo) })
	}
	time.Sleep(500 * time.Millisecond) // all are connected
	took := h.run(length)
	h.turn++
	cancel()
	running.Wait()
	return took
}

func listenAndDiscard() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		for {
			conn, err := listener.Accept()
			must(err)
			go func() {
				defer conn.Close()
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// healthy produces a record, acknowledged, and fetches it back, over and over.
type healthy struct {
	client *kgo.Client
	turn   int // of being among attacks
}

type figures struct {
	rounds   int
	p50, p99 time.Duration
	worst    time.Duration
}

func (f figures) String() string {
	return fmt.Sprintf("%d rounds, p50 %v, p99 %v, worst %v", f.rounds, f.p50, f.p99, f.worst)
}

func newHealthy() *healthy {
	topic := fmt.Sprintf("healthy-%d", time.Now().UnixNano())
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0),
		kgo.RecordRetries(0), kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()), kgo.FetchMaxWait(time.Second),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}))
	must(err)
	created, err := kadm.NewClient(client).CreateTopic(context.Background(), 1, 1, nil, topic)
	must(err)
	must(created.Err)
	time.Sleep(500 * time.Millisecond)
	return &healthy{client: client}
}

func (h *healthy) run(length time.Duration) []time.Duration {
	var took []time.Duration
	value := make([]byte, 1000)
	for until := time.Now().Add(length); time.Now().Before(until); {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		began := time.Now()
		must(h.client.ProduceSync(ctx, kgo.SliceRecord(value)).FirstErr())
		produced := time.Since(began)
		fetched := h.client.PollFetches(ctx)
		must(fetched.Err())
		took = append(took, time.Since(began))
		if time.Since(began) > time.Second {
			log.Printf("a round took %v, %v of it to produce", time.Since(began), produced)
		}
		cancel()
		if fetched.NumRecords() != 1 {
			log.Fatalf("WRONG: a round fetched %d records", fetched.NumRecords())
		}
		time.Sleep(time.Millisecond)
	}
	return took
}

func figuresOf(took []time.Duration) figures {
	slices.Sort(took)
	return figures{len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1]}
}

// middle is the median of the turns' 99th percentiles: a turn in which the machine had something else to do does not count.
func middle(turns []figures) time.Duration {
	p99s := make([]time.Duration, 0, len(turns))
	for _, turn := range turns {
		p99s = append(p99s, turn.p99)
	}
	slices.Sort(p99s)
	return p99s[len(p99s)/2]
}

func must(err error) {
	if err != nil {
		log.Fatalf("WRONG: %v", err)
	}
}

var kinds = [...]struct {
	what     string
	bytes    func(*rand.Rand) []byte
	requests int // that a civil neighbour sends in its place
}{
	{"random bytes", randomBytes, 1},
	{"a frame that says it is huge", hugeFrame, 1},
	{"a true request, cut off", func(r *rand.Rand) []byte { f := request(r); return f[:r.Intn(len(f))] }, 1},
	{"a true request with a flipped bit", flippedBits, 1},
	{"a true request with an absurd count", absurdCounts, 1},
	{"a true request of an API or version that does not exist", unknownVersions, 1},
	{"many requests at once, none of whose answers is read", pipelined, pipelinedRequests},
}

// attack connects, sends, and leaves after a moment, again and again.
func attack(ctx context.Context, random *rand.Rand, kind int) {
	for ctx.Err() == nil {
		attacks[kind].Add(1)
		visit(func(conn net.Conn) {
			conn.Write(kinds[kind].bytes(random)) // The broker may have hung up: that is its right.
			if random.Intn(2) == 0 {
				io.CopyN(io.Discard, conn, 1<<16)
			}
		})
	}
}

// civil comes and goes as an attack of that kind does, with as many requests, whose answers it reads.
func civil(ctx context.Context, random *rand.Rand, kind int) {
	for ctx.Err() == nil {
		frames := requests(random, kinds[kind].requests)
		visit(func(conn net.Conn) {
			go conn.Write(frames)
			var size [4]byte
			for range kinds[kind].requests {
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					return // An unacknowledged produce has no answer, and one that fails ends the connection.
				}
				io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(size[:])))
			}
		})
	}
}

// visit connects for 50 ms at most, not more often than 200 times a second.
func visit(stay func(net.Conn)) {
	conn, err := net.DialTimeout("tcp", *broker, 5*time.Second)
	if err != nil {
		log.Fatalf("WRONG: the broker does not accept: %v", err)
	}
	conn.SetDeadline(time.Now().Add(50 * time.Millisecond))
	stay(conn)
	conn.Close()
	time.Sleep(5 * time.Millisecond)
}

// drip is a connection that sends a produce request of 1 MiB, a byte a second; if hung up on, it comes again.
func drip(ctx context.Context, target string) {
	frame := binary.BigEndian.AppendUint32(nil, 1<<20)
	frame = append(frame, formatted(kmsg.NewPtrProduceRequest(), 9)[4:]...)
	for ctx.Err() == nil {
		conn, err := net.DialTimeout("tcp", target, 10*time.Second)
		if err != nil {
			log.Fatalf("WRONG: the broker does not accept: %v", err)
		}
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := conn.Write(frame[i%len(frame) : i%len(frame)+1]); err != nil {
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		conn.Close()
	}
}

func randomBytes(r *rand.Rand) []byte {
	bytes := make([]byte, 1+r.Intn(4096))
	r.Read(bytes)
	if r.Intn(2) == 0 { // as a frame of the right length
		binary.BigEndian.PutUint32(append(bytes, 0, 0, 0, 0), uint32(max(0, len(bytes)-4)))
	}
	return bytes
}

func hugeFrame(r *rand.Rand) []byte {
	lengths := []uint32{1<<31 - 1, 1 << 31, 1<<32 - 1, 0, 1, 7, 100 << 20, 104857600, 104857601, 90 << 20}
	return append(binary.BigEndian.AppendUint32(nil, lengths[r.Intn(len(lengths))]), request(r)[4:]...)
}

func flippedBits(r *rand.Rand) []byte {
	frame := request(r)
	for range 1 + r.Intn(8) {
		frame[4+r.Intn(len(frame)-4)] ^= 1 << r.Intn(8)
	}
	return frame
}

// absurdCounts overwrites four bytes somewhere with a large count or with a varint that never ends.
func absurdCounts(r *rand.Rand) []byte {
	frame := request(r)
	counts := [][]byte{{0x7f, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0x7f}, {0, 0xff, 0xff, 0xff}}
	copy(frame[min(12+r.Intn(len(frame)), len(frame)-1):], counts[r.Intn(len(counts))])
	return frame
}

func unknownVersions(r *rand.Rand) []byte {
	frame := request(r)
	keys := []uint16{uint16(r.Intn(100)), 4, 5, 6, 7, 52, 999, 0x7fff, 0xffff}
	binary.BigEndian.PutUint16(frame[4:], keys[r.Intn(len(keys))])
	binary.BigEndian.PutUint16(frame[6:], uint16(r.Intn(1<<16)))
	return frame
}

const pipelinedRequests = 200

func pipelined(r *rand.Rand) []byte { return requests(r, pipelinedRequests) }

func requests(r *rand.Rand, count int) []byte {
	var frames []byte
	for range count {
		frames = append(frames, request(r)...)
	}
	return frames
}

// request is a sound request, in some version, of one of the APIs that every broker has.
func request(r *rand.Rand) []byte {
	topic := "hostile"
	switch r.Intn(7) {
	case 0:
		return formatted(kmsg.NewPtrApiVersionsRequest(), r.Intn(5))
	case 1:
		metadata := kmsg.NewPtrMetadataRequest()
		metadata.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
		return formatted(metadata, r.Intn(10))
	case 2:
		produce := kmsg.NewPtrProduceRequest()
		produce.Acks, produce.TimeoutMillis = int16(r.Intn(3)-1), 1000
		records := make([]byte, 61+r.Intn(500))
		r.Read(records)
		if r.Intn(2) == 0 { // a header that looks sound up to its CRC
			copy(records, make([]byte, 12))
			binary.BigEndian.PutUint32(records[8:], uint32(len(records)-12))
			records[16] = 2
		}
		produce.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: records}}}}
		return formatted(produce, 3+r.Intn(8))
	case 3:
		fetch := kmsg.NewPtrFetchRequest()
		fetch.MaxWaitMillis, fetch.MaxBytes, fetch.SessionEpoch = 500, 1<<31-1, int32(r.Intn(3)-1)
		fetch.Topics = []kmsg.FetchRequestTopic{{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{{Partition: int32(r.Intn(4) - 1), FetchOffset: r.Int63() - r.Int63(), PartitionMaxBytes: 1<<31 - 1}}}}
		return formatted(fetch, 4+r.Intn(9))
	case 4:
		offsets := kmsg.NewPtrListOffsetsRequest()
		offsets.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: int64(r.Intn(12) - 10)}}}}
		return formatted(offsets, 1+r.Intn(7))
	case 5:
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "bad name/", NumPartitions: 1<<31 - 1, ReplicationFactor: 1}}
		return formatted(create, 2+r.Intn(5))
	default:
		return formatted(kmsg.NewPtrInitProducerIDRequest(), r.Intn(5))
	}
}

func formatted(request kmsg.Request, version int) []byte {
	request.SetVersion(int16(version))
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("hostile")).AppendRequest(nil, request, 1)
}
