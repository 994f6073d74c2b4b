package kafkago

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"millstream/clients/internal/harness"
)

func TestClientProducesAndFetches(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			topic := newTopic(t, 2)
			c := client(t)
			at := time.UnixMilli(time.Now().UnixMilli())
			produce := func() (*kafka.ProduceResponse, error) {
				return c.Produce(deadline(t), &kafka.ProduceRequest{
					Topic: topic, Partition: 1, RequiredAcks: kafka.RequireAll, Compression: codec,
					Records: kafka.NewRecordReader(
						kafka.Record{Time: at, Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes([]byte("v")), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}},
						kafka.Record{Time: at, Value: kafka.NewBytes([]byte("no key"))},
						kafka.Record{Time: at, Key: kafka.NewBytes([]byte("no value"))},
					),
				})
			}
			produced, err := produce()
			// Apache Kafka names a leader in its metadata a little before that broker knows of it.
			for tries := 0; tries < 20 && err == nil && errors.Is(produced.Error, kafka.NotLeaderForPartition); tries++ {
				time.Sleep(50 * time.Millisecond)
				produced, err = produce()
			}
			if err != nil || produced.Error != nil || produced.BaseOffset != 0 {
				t.Fatalf("%+v, %v", produced, err)
			}
			fetched, err := c.Fetch(deadline(t), &kafka.FetchRequest{Topic: topic, Partition: 1, Offset: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
			if err != nil || fetched.Error != nil || fetched.HighWatermark != 3 {
				t.Fatalf("%+v, %v", fetched, err)
			}
			count := int64(0)
			for ; ; count++ {
				record, err := fetched.Records.ReadRecord()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if record.Offset != count || !record.Time.Equal(at) {
					t.Errorf("record %d has offset %d, time %v", count, record.Offset, record.Time)
				}
				if (record.Key == nil) != (count == 1) || (record.Value == nil) != (count == 2) {
					t.Errorf("record %d: null became something or the other way round", count)
				}
			}
			if count != 3 {
				t.Fatalf("%d records", count)
			}
		})
	}
}

func TestClientListsOffsets(t *testing.T) {
	topic := newTopic(t, 1)
	start := numbered(t, topic, 50)
	answer, err := client(t).ListOffsets(deadline(t), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0), kafka.TimeOffsetOf(0, start.Add(7*time.Second))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := answer.Topics[topic][0]
	if p.Error != nil || p.FirstOffset != 0 || p.LastOffset != 50 {
		t.Errorf("%+v", p)
	}
	if _, found := p.Offsets[7]; !found {
		t.Errorf("offset 7 not among %v", p.Offsets)
	}
}

func TestClientDescribesWhatItCreatedAndDeletesIt(t *testing.T) {
	topic := newTopic(t, 4, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "123456"}, kafka.ConfigEntry{ConfigName: "segment.bytes", ConfigValue: "2097152"})
	c := client(t)
	described, err := c.DescribeConfigs(deadline(t), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}}})
	if err != nil || described.Resources[0].Error != nil {
		t.Fatalf("%+v, %v", described, err)
	}
	values := map[string]string{}
	for _, entry := range described.Resources[0].ConfigEntries {
		values[entry.ConfigName] = entry.ConfigValue
	}
	if values["retention.ms"] != "123456" || values["segment.bytes"] != "2097152" || values["max.message.bytes"] != "1048588" {
		t.Errorf("the configuration is %v", values)
	}
	again, err := c.CreateTopics(deadline(t), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || !errors.Is(again.Errors[topic], kafka.TopicAlreadyExists) {
		t.Errorf("a second creation said %v, %v", again, err)
	}
	refused := map[string]kafka.TopicConfig{
		"a bad name":          {Topic: "what/ever", NumPartitions: 1, ReplicationFactor: 1},
		"too many replicas":   {Topic: harness.Topic(t), NumPartitions: 1, ReplicationFactor: 3},
		"no partitions":       {Topic: harness.Topic(t), NumPartitions: 0, ReplicationFactor: 1},
		"an unknown property": {Topic: harness.Topic(t), NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "no.such", ConfigValue: "1"}}},
		"a bad value":         {Topic: harness.Topic(t), NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "segment.bytes", ConfigValue: "many"}}},
	}
	for what, config := range refused {
		answer, err := c.CreateTopics(deadline(t), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
		if err != nil || answer.Errors[config.Topic] == nil {
			t.Errorf("%s was accepted: %v", what, err)
		}
	}
	deleted, err := c.DeleteTopics(deadline(t), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil || deleted.Errors[topic] != nil {
		t.Fatalf("%+v, %v", deleted, err)
	}
	gone, err := c.DeleteTopics(deadline(t), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil || !errors.Is(gone.Errors[topic], kafka.UnknownTopicOrPartition) {
		t.Errorf("a second deletion said %v, %v", gone, err)
	}
}

func TestClientSeesTheBrokerAndItsVersions(t *testing.T) {
	c := client(t)
	meta, err := c.Metadata(deadline(t), &kafka.MetadataRequest{})
	if err != nil || len(meta.Brokers) != 1 || meta.ClusterID == "" || meta.Controller.ID != meta.Brokers[0].ID {
		t.Fatalf("%+v, %v", meta, err)
	}
	versions, err := c.ApiVersions(deadline(t), &kafka.ApiVersionsRequest{})
	if err != nil || versions.Error != nil || len(versions.ApiKeys) < 8 {
		t.Fatalf("%+v, %v", versions, err)
	}
}

func TestARecreatedTopicIsEmpty(t *testing.T) {
	topic := newTopic(t, 1)
	numbered(t, topic, 10)
	c := client(t)
	if _, err := c.DeleteTopics(deadline(t), &kafka.DeleteTopicsRequest{Topics: []string{topic}}); err != nil {
		t.Fatal(err)
	}
	var created error
	for range 50 { // Apache Kafka may still be removing it.
		answer, err := c.CreateTopics(deadline(t), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		if created = answer.Errors[topic]; created == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if created != nil {
		t.Fatal(created)
	}
	awaitTopic(t, topic, 1)
	if got := readAll(t, topic, 0); len(got) != 0 {
		t.Fatalf("%d messages of its predecessor", len(got))
	}
}
