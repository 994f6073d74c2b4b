package main

import (
	"time"

	"github.com/IBM/sarama"
)

// consumeGroup is sarama's ConsumerGroup: each partition is a claim with a goroutine of its own.
func consumeGroup(m *member) error {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.ClientID = m.name
	c.Metadata.RefreshFrequency = time.Second
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Session.Timeout = m.duration("session")
	c.Consumer.Group.Heartbeat.Interval = m.duration("heartbeat")
	c.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	c.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{map[string]func() sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange, "roundrobin": sarama.NewBalanceStrategyRoundRobin,
		"sticky": sarama.NewBalanceStrategySticky, "cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
	}[m.settings["strategy"]]()}
	c.Consumer.Group.InstanceId = m.settings["instance"]
	group, err := sarama.NewConsumerGroup(broker(), m.settings["group"], c)
	if err != nil {
		return err
	}
	go func() {
		for err := range group.Errors() {
			complain(m.name, err)
		}
	}()
	for !m.left() {
		if err := group.Consume(m.leaving, m.topics(), &claims{m}); err != nil && !m.left() {
			complain(m.name, err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	return group.Close()
}

type claims struct{ m *member }

func (c *claims) Setup(sarama.ConsumerGroupSession) error {
	c.m.gains(nil)
	return nil
}

func (c *claims) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c *claims) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	mine := map[string][]int32{claim.Topic(): {claim.Partition()}}
	c.m.gains(mine)
	defer c.m.loses(mine)
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			c.m.handled(message.Topic, message.Partition, message.Offset, message.Value)
			session.MarkMessage(message, "")
			session.Commit()
		case <-session.Context().Done():
			return nil
		}
	}
}
