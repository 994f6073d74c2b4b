// Replay sends a stream of captured Produce requests to a broker, one after the other, then looks offsets and
// timestamps up, and prints all answers, so that two brokers' outputs can be compared:
//
//	replay -broker HOST:PORT -in FILE
package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"log"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millstream/clients/internal/stream"
)

var (
	broker = flag.String("broker", "", "address of the broker")
	in     = flag.String("in", "", "the stream file")

	conn      net.Conn
	formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("replay"))
)

func main() {
	flag.Parse()
	topics, frames, err := stream.Read(*in)
	must(err)
	conn, err = net.Dial("tcp", *broker)
	must(err)
	createTopics(topics)
	translation := topicIDs(topics)

	times := map[string][]int64{}
	for i, frame := range frames {
		request, err := stream.Produce(frame)
		must(err)
		noteTimes(request, topics, times)
		for old, new := range translation {
			frame = bytes.ReplaceAll(frame, old[:], new[:])
		}
		send(frame)
		if request.Acks == 0 {
			metadata(topics[:1]) // answered only when the silent request before it is done
			fmt.Printf("%d: unacknowledged\n", i)
			continue
		}
		answer := request.ResponseKind().(*kmsg.ProduceResponse)
		receive(answer)
		printAnswer(i, answer)
	}
	for _, topic := range topics {
		for partition := range topic.Partitions {
			end := lookTimesUp(topic.Name, partition, times[key(topic.Name, partition)])
			lookOffsetsUp(topic.Name, partition, end)
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func key(topic string, partition int32) string { return fmt.Sprint(topic, "/", partition) }

func send(frame []byte) {
	_, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	must(err)
}

func receive(answer kmsg.Response) {
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	frame, err := stream.Frame(conn)
	must(err)
	body := frame[4:]
	if answer.IsFlexible() && answer.Key() != 18 {
		body = body[1:]
	}
	must(answer.ReadFrom(body))
}

func ask(request kmsg.Request, version int16) kmsg.Response {
	request.SetVersion(version)
	_, err := conn.Write(formatter.AppendRequest(nil, request, 7))
	must(err)
	answer := request.ResponseKind()
	receive(answer)
	return answer
}

func createTopics(topics []stream.Topic) {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	for _, topic := range topics {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = topic.Name, topic.Partitions, 1
		for name, value := range topic.Configs {
			t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: &value})
		}
		request.Topics = append(request.Topics, t)
	}
	for _, topic := range ask(request, 7).(*kmsg.CreateTopicsResponse).Topics {
		must(kerr.ErrorForCode(topic.ErrorCode))
	}
	time.Sleep(500 * time.Millisecond)
}

func metadata(topics []stream.Topic) *kmsg.MetadataResponse {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(topic.Name)})
	}
	return ask(request, 12).(*kmsg.MetadataResponse)
}

// topicIDs maps the ids that the captured requests name to those of this broker.
func topicIDs(topics []stream.Topic) map[[16]byte][16]byte {
	ids := map[[16]byte][16]byte{}
	for _, here := range metadata(topics).Topics {
		must(kerr.ErrorForCode(here.ErrorCode))
		for _, there := range topics {
			if there.Name == *here.Topic {
				ids[there.ID] = here.TopicID
			}
		}
	}
	return ids
}

// printAnswer prints a line for each partition. Their order in an answer means nothing.
func printAnswer(request int, answer *kmsg.ProduceResponse) {
	var lines []string
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			lines = append(lines, fmt.Sprintf("%d: partition %d, %v, base offset %d, append time %d, log start %d", request, p.Partition, kerr.ErrorForCode(p.ErrorCode), p.BaseOffset, p.LogAppendTime, p.LogStartOffset))
		}
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
}

// noteTimes keeps each batch's first and largest timestamp and their neighbours.
func noteTimes(request *kmsg.ProduceRequest, topics []stream.Topic, times map[string][]int64) {
	for _, topic := range request.Topics {
		name := topic.Topic
		for _, t := range topics {
			if t.ID == topic.TopicID {
				name = t.Name
			}
		}
		for _, p := range topic.Partitions {
			if len(p.Records) < 61 {
				continue
			}
			first, largest := int64(binary.BigEndian.Uint64(p.Records[27:])), int64(binary.BigEndian.Uint64(p.Records[35:]))
			times[key(name, p.Partition)] = append(times[key(name, p.Partition)], first-1, first, first+1, (first+largest)/2, largest, largest+1)
		}
	}
}

func lookTimesUp(topic string, partition int32, times []int64) (end int64) {
	slices.Sort(times)
	for _, at := range append([]int64{-1, -2, -3, -4, 0}, slices.Compact(times)...) {
		request := kmsg.NewPtrListOffsetsRequest()
		request.ReplicaID = -1
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, at, -1
		request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
		got := ask(request, 8).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		fmt.Printf("%s %d at %d: %v, offset %d, timestamp %d, epoch %d\n", topic, partition, at, kerr.ErrorForCode(got.ErrorCode), got.Offset, got.Timestamp, got.LeaderEpoch)
		if at == -1 {
			end = got.Offset
		}
	}
	return end
}

// lookOffsetsUp fetches at many offsets and prints the first batch that comes back.
func lookOffsetsUp(topic string, partition int32, end int64) {
	offsets := []int64{0, 1, end - 1, end, end + 1, end + 1000}
	for offset := int64(2); offset < end; offset += max(1, end/200) {
		offsets = append(offsets, offset)
	}
	for _, offset := range offsets {
		request := kmsg.NewPtrFetchRequest()
		request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = 0, 0, 1<<20, -1
		t := kmsg.NewFetchRequestTopic()
		t.Topic = topic
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, 1, -1
		t.Partitions = []kmsg.FetchRequestTopicPartition{p}
		request.Topics = []kmsg.FetchRequestTopic{t}
		answer := ask(request, 11).(*kmsg.FetchResponse)
		must(kerr.ErrorForCode(answer.ErrorCode))
		got := answer.Topics[0].Partitions[0]
		fmt.Printf("%s %d from %d: %v, high watermark %d, stable %d, log start %d, %s\n", topic, partition, offset,
			kerr.ErrorForCode(got.ErrorCode), got.HighWatermark, got.LastStableOffset, got.LogStartOffset, firstBatch(got.RecordBatches))
	}
}

func firstBatch(records []byte) string {
	if len(records) < 61 {
		return fmt.Sprintf("%d bytes", len(records))
	}
	length := min(12+int(binary.BigEndian.Uint32(records[8:])), len(records))
	return fmt.Sprintf("batch %d of %d bytes, %08x", binary.BigEndian.Uint64(records), length, crc32.ChecksumIEEE(records[:length]))
}
