package sarama

import (
	"os"
	"testing"

	"github.com/IBM/sarama"

	"millstream/clients/internal/harness"
)

// administers is what ClusterAdmin is told of the broker at least: it asks 1.0, the default of 1.27.1, for settings by
// DescribeConfigs 0, which Kafka 4 does not answer.
func administers() *sarama.Config {
	if c := byDefault(); c.Version.IsAtLeast(sarama.V1_1_0_0) {
		return c
	}
	return config(sarama.V1_1_0_0)
}

func admin(t *testing.T, c *sarama.Config) sarama.ClusterAdmin {
	t.Helper()
	made, err := sarama.NewClusterAdmin([]string{harness.Broker(t)}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made
}

func setting(t *testing.T, a sarama.ClusterAdmin, topic, name string) string {
	t.Helper()
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name == name {
			return entry.Value
		}
	}
	t.Fatalf("%s is not among %d settings", name, len(entries))
	return ""
}

func TestTopicsAreCreatedExtendedAndDeleted(t *testing.T) {
	for protocol, c := range map[string]*sarama.Config{"oldest": administers(), "newest": config(sarama.MaxVersion)} {
		t.Run(protocol, func(t *testing.T) {
			a, topic, retention := admin(t, c), harness.Topic(t), "7654321"
			wanted := &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}
			if err := a.CreateTopic(topic, wanted, true); err != nil {
				t.Fatal(err)
			}
			if listed, err := a.ListTopics(); err != nil || listed[topic].NumPartitions != 0 {
				t.Fatalf("validation alone created the topic: %v, %v", listed[topic], err)
			}
			if err := a.CreateTopic(topic, wanted, false); err != nil {
				t.Fatal(err)
			}
			if err := a.CreateTopic(topic, wanted, false); !is(err, sarama.ErrTopicAlreadyExists) {
				t.Errorf("a second creation said %v", err)
			}
			if err := a.CreateTopic("what/ever", wanted, false); !is(err, sarama.ErrInvalidTopic) {
				t.Errorf("a bad name: %v", err)
			}
			partitions := func() int {
				described, err := a.DescribeTopics([]string{topic})
				if err != nil {
					t.Fatal(err)
				}
				return len(described[0].Partitions)
			}
			await(t, "the topic has its partitions", func() bool { return partitions() == 3 })
			if err := a.CreatePartitions(topic, 5, nil, false); err != nil {
				t.Fatal(err)
			}
			await(t, "the topic has more partitions", func() bool { return partitions() == 5 })
			listed, err := a.ListTopics()
			if err != nil || *listed[topic].ConfigEntries["retention.ms"] != retention {
				t.Errorf("it is listed as %+v, %v", listed[topic], err)
			}
			if err := a.DeleteTopic(topic); err != nil {
				t.Fatal(err)
			}
			await(t, "the topic is gone", func() bool {
				listed, err := a.ListTopics()
				if err != nil {
					t.Fatal(err)
				}
				_, there := listed[topic]
				return !there
			})
		})
	}
}

func TestSettingsAreDescribedAndAltered(t *testing.T) {
	topic := harness.NewTopic(t, 1, map[string]string{"retention.ms": "7654321", "segment.bytes": "1048576"})
	a, wanted := admin(t, administers()), "1234567"
	if got := setting(t, a, topic, "segment.bytes"); got != "1048576" {
		t.Errorf("segment.bytes is %s", got)
	}
	if err := a.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &wanted}, true); err != nil {
		t.Fatal(err)
	}
	if got := setting(t, a, topic, "retention.ms"); got != "7654321" {
		t.Errorf("validation alone made retention.ms %s", got)
	}
	if err := a.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &wanted}, false); err != nil {
		t.Fatal(err)
	}
	await(t, "retention.ms is altered", func() bool { return setting(t, a, topic, "retention.ms") == wanted })
	// AlterConfigs takes back what it does not name.
	if got := setting(t, a, topic, "segment.bytes"); got != "1073741824" {
		t.Errorf("segment.bytes is %s", got)
	}
}

func TestRecordsAreDeleted(t *testing.T) {
	topic := harness.NewTopic(t, 1, nil)
	numbered(t, topic, 100)
	if err := admin(t, administers()).DeleteRecords(topic, map[int32]int64{0: 40}); err != nil {
		t.Fatal(err)
	}
	if oldest, err := client(t, byDefault()).GetOffset(topic, 0, sarama.OffsetOldest); err != nil || oldest != 40 {
		t.Errorf("the log begins at %d, %v", oldest, err)
	}
	if first := consume(t, byDefault(), topic, sarama.OffsetOldest, 60)[0].Offset; first != 40 {
		t.Errorf("consumption begins at %d", first)
	}
}

func TestTheClusterAndItsLogDirectoriesAreDescribed(t *testing.T) {
	if oldest && os.Getenv("KIND") == "kafka" {
		t.Skip("it sends DescribeLogDirs 0, which Apache Kafka 4 does not answer; Millstream does")
	}
	topic := harness.NewTopic(t, 2, nil)
	numbered(t, topic, 100)
	for protocol, c := range map[string]*sarama.Config{"2.1": config(sarama.V2_1_0_0), "newest": config(sarama.MaxVersion)} {
		t.Run(protocol, func(t *testing.T) {
			a := admin(t, c)
			brokers, controller, err := a.DescribeCluster()
			if err != nil || len(brokers) != 1 || controller != brokers[0].ID() {
				t.Fatalf("%d brokers, controller %d, %v", len(brokers), controller, err)
			}
			directories, err := a.DescribeLogDirs([]int32{brokers[0].ID()})
			if err != nil {
				t.Fatal(err)
			}
			sizes := map[int32]int64{}
			for _, directory := range directories[brokers[0].ID()] {
				for _, found := range directory.Topics {
					if found.Topic == topic {
						for _, partition := range found.Partitions {
							sizes[partition.PartitionID] = partition.Size
						}
					}
				}
			}
			if len(sizes) != 2 || sizes[0] < 800 || sizes[1] != 0 {
				t.Errorf("the partitions have %v bytes", sizes)
			}
		})
	}
}
