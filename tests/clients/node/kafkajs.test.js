// kafkajs's producer and admin client against the broker in $BROKER: node --test kafkajs.test.js
//
// KAFKAJS names the package: kafkajs; kafkajs-1.8, the first version whose CreateTopics Kafka 4 takes; or kafkajs-1.4, the
// first whose records it takes. Its consumer joins a group always and is not here: beside.py reads the records back.
'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const readline = require('node:readline')
const { after, test } = require('node:test')

const { BROKER, BROKER_DIR, KAFKAJS = 'kafkajs' } = process.env
const CACHE = path.resolve(process.env.CACHE || path.join(__dirname, '../../../target/clients'))
const installed = createRequire(path.join(CACHE, 'node/'))
const { Kafka, logLevel, CompressionCodecs } = installed(KAFKAJS)
const [major, minor] = installed(`${KAFKAJS}/package.json`).version.split('.').map(Number)
const since = (wantedMajor, wantedMinor) => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)

// 1.4 has no room in its batches for the number of zstd.
const CODECS = since(2, 0) ? ['none', 'gzip', 'snappy', 'lz4', 'zstd'] : ['none', 'gzip', 'snappy', 'lz4']
const SIZES = [1, 63, 64, 1000, 8191, 65535, 65536, 65537, 1 << 20, 5 << 20]
const LARGEST = 8 << 20

const kafka = new Kafka({ brokers: [BROKER], clientId: 'millstream-test', logLevel: logLevel.NOTHING, retry: { retries: 8 } })
const lz4 = installed('lz4-napi')
const zstd = installed('@bokuweb/zstd-wasm')
const zstdIsReady = zstd.init()
CompressionCodecs[2] = installed('kafkajs-snappy')
CompressionCodecs[3] = () => ({ compress: encoder => lz4.compressFrame(encoder.buffer) })
CompressionCodecs[4] = () => ({
  async compress(encoder) {
    await zstdIsReady
    return Buffer.from(zstd.compress(encoder.buffer, 3))
  },
})

// -- what comes from elsewhere

const beside = spawn(path.join(CACHE, 'venv/bin/python'), [path.join(__dirname, '../python/beside.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
const answers = readline.createInterface({ input: beside.stdout })[Symbol.asyncIterator]()
after(() => beside.stdin.end())

async function ask(command) {
  beside.stdin.write(JSON.stringify(command) + '\n')
  const { value, done } = await answers.next()
  assert.ok(!done, `the client beside ended at ${JSON.stringify(command)}`)
  return JSON.parse(value)
}

let topics = 0
const topicName = () => `node-${Date.now()}-${topics++}`

async function newTopic(partitions = 1, config = {}) {
  const topic = topicName()
  await ask({ create: topic, partitions, config })
  return topic
}

// Codec and whether a producer id is there, of each batch in the broker's file, whose format is Kafka's.
function batches(topic) {
  const data = readFileSync(path.join(BROKER_DIR, 'data', `${topic}-0`, '00000000000000000000.log'))
  const found = []
  for (let at = 0; at + 61 <= data.length && data[at + 16] === 2; at += 12 + data.readInt32BE(at + 8)) {
    found.push([['none', 'gzip', 'snappy', 'lz4', 'zstd'][data.readInt16BE(at + 21) & 7], data.readBigInt64BE(at + 43) >= 0n])
  }
  return found
}

// A payload that compresses about by half and depends on its size alone.
function payload(size) {
  const value = Buffer.alloc(size)
  let state = size
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    if (at % 64 < 32) value[at] = state >>> 16
  }
  return value
}

async function until(what, holds) {
  for (let tries = 0; tries < 200; tries++) {
    if (await holds()) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  assert.fail(`within 10 s: ${what}`)
}

async function connected(client, use) {
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.disconnect()
  }
}

const packed = value => (value === null ? null : Buffer.from(value).toString('base64'))

// -- the producer

const ACKS = {
  all: { acks: -1 },
  leader: { acks: 1 },
  // 1.4.0 waits for the answer to acks 0, which no broker sends.
  ...(since(1, 5) && { none: { acks: 0 } }),
  ...(since(1, 8) && { idempotent: { acks: -1, idempotent: true } }),
}

function samples(sizes) {
  const messages = []
  for (const size of sizes) {
    const timestamp = String(1700000000000 + messages.length)
    messages.push({ key: `key-${size}`, value: payload(size), timestamp, partition: 0, headers: { size: String(size), binary: Buffer.from([0, 255]) } })
    messages.push({ key: null, value: 'no key', timestamp, partition: 0 })
    // 1.4.0 refuses tombstones.
    if (since(1, 5)) messages.push({ key: 'no value', value: null, timestamp, partition: 0 })
    messages.push({ key: Buffer.from([1, 0, 2]), value: Buffer.from([255, 254]), timestamp, partition: 0 })
  }
  return messages
}

for (const [number, codec] of CODECS.entries()) {
  for (const [mode, { acks, idempotent = false }] of Object.entries(ACKS)) {
    test(`${codec} with acks ${mode} carries every size`, async () => {
      const topic = await newTopic(1, { 'max.message.bytes': String(LARGEST) })
      const sent = []
      await connected(kafka.producer({ idempotent }), async producer => {
        for (const sizes of [SIZES.slice(0, 8), SIZES.slice(8, 9), SIZES.slice(9)]) {
          const messages = samples(sizes)
          const [place] = await producer.send({ topic, acks, compression: number, messages })
          if (acks !== 0) {
            assert.deepEqual([place.topicName, place.partition, place.errorCode, place.baseOffset], [topic, 0, 0, String(sent.length)])
          }
          sent.push(...messages)
        }
      })
      const got = await ask({ read: topic, partition: 0, offset: 0, count: sent.length })
      sent.forEach((want, offset) => {
        const have = got[offset]
        assert.equal(have.offset, offset)
        assert.equal(have.timestamp, Number(want.timestamp))
        assert.equal(have.key, packed(want.key))
        assert.ok(have.value === packed(want.value), `the value at ${offset} differs`)
        assert.deepEqual(have.headers, Object.entries(want.headers || {}).map(([name, value]) => [name, packed(value)]))
      })
      assert.deepEqual([...new Set(batches(topic).map(String))], [`${codec},${idempotent}`])
    })
  }
}

test('a batch goes to many topics and partitions, in order', async () => {
  const made = [await newTopic(3), await newTopic(3)]
  const messages = [0, 1, 2].flatMap(partition => Array.from({ length: 500 }, (_, n) => ({ partition, key: null, value: `${partition}/${n}` })))
  await connected(kafka.producer(), producer => producer.sendBatch({ topicMessages: made.map(topic => ({ topic, messages })) }))
  for (const topic of made) {
    for (const partition of [0, 1, 2]) {
      const got = await ask({ read: topic, partition, offset: 0, count: 500 })
      assert.deepEqual(got.map(record => Buffer.from(record.value, 'base64').toString()), Array.from({ length: 500 }, (_, n) => `${partition}/${n}`))
    }
  }
})

test('a record beyond max.message.bytes is refused and the next accepted', async () => {
  const topic = await newTopic(1, { 'max.message.bytes': '10000' })
  await connected(kafka.producer({ retry: { retries: 1 } }), async producer => {
    await assert.rejects(producer.send({ topic, messages: [{ partition: 0, key: null, value: payload(20000) }] }), { type: 'MESSAGE_TOO_LARGE' })
    const [place] = await producer.send({ topic, messages: [{ partition: 0, key: null, value: 'small' }] })
    assert.equal(place.baseOffset, '0')
  })
})

// -- the admin client

const admin = (use, settings) => connected(kafka.admin(settings), use)
const missing = (wantedMajor, wantedMinor) => !since(wantedMajor, wantedMinor) && `not in ${major}.${minor}`

async function setting(client, topic, name) {
  const answer = await client.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] })
  return answer.resources[0].configEntries.find(entry => entry.configName === name).configValue
}

async function partitions(client, topic) {
  const metadata = await client[since(1, 8) ? 'fetchTopicMetadata' : 'getTopicMetadata']({ topics: [topic] })
  return metadata.topics[0].partitions
}

test('topics are created, described and deleted', { skip: missing(1, 8) }, () =>
  admin(async client => {
    const topic = topicName()
    const wanted = { topic, numPartitions: 3, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '7654321' }] }
    assert.equal(await client.createTopics({ validateOnly: true, waitForLeaders: false, topics: [wanted] }), true)
    assert.equal(await client.createTopics({ waitForLeaders: true, topics: [wanted] }), true)
    assert.equal(await client.createTopics({ waitForLeaders: true, topics: [wanted] }), false)
    await assert.rejects(client.createTopics({ topics: [{ topic: 'a b', numPartitions: 1, replicationFactor: 1 }] }))
    const made = await partitions(client, topic)
    assert.deepEqual(made.map(p => [p.partitionId, p.leader, p.replicas, p.isr]).sort(), [0, 1, 2].map(p => [p, 1, [1], [1]]))
    assert.equal(await setting(client, topic, 'retention.ms'), '7654321')
    await client.deleteTopics({ topics: [topic] })
    await assert.rejects(client.deleteTopics({ topics: [topic] }), /does not host this topic-partition/)
  }, { retry: { retries: 1 } }))

test('settings are altered, and what is not named is taken back', { skip: missing(1, 8) }, async () => {
  const topic = await newTopic(1, { 'retention.ms': '7654321', 'segment.bytes': '1048576' })
  await admin(async client => {
    const change = { resources: [{ type: 2, name: topic, configEntries: [{ name: 'retention.ms', value: '1234567' }] }] }
    await client.alterConfigs({ validateOnly: true, ...change })
    assert.equal(await setting(client, topic, 'retention.ms'), '7654321')
    await client.alterConfigs({ validateOnly: false, ...change })
    await until('retention.ms is altered', async () => (await setting(client, topic, 'retention.ms')) === '1234567')
    assert.equal(await setting(client, topic, 'segment.bytes'), '1073741824')
  })
})

test('offsets are listed', { skip: missing(1, 8) }, async () => {
  const topic = await newTopic(2)
  const messages = Array.from({ length: 100 }, (_, n) => ({ partition: 1, value: String(n), timestamp: String(1700000000000 + 1000 * n) }))
  await connected(kafka.producer(), producer => producer.send({ topic, messages }))
  await admin(async client => {
    const offsets = (await client.fetchTopicOffsets(topic)).sort((a, b) => a.partition - b.partition)
    assert.deepEqual(offsets.map(o => o.offset), ['0', '100'])
    if (since(2, 0)) {
      assert.deepEqual(offsets.map(o => [o.low, o.high]), [['0', '0'], ['0', '100']])
      const found = await client.fetchTopicOffsetsByTimestamp(topic, 1700000041500)
      assert.equal(found.find(o => o.partition === 1).offset, '42')
    }
  })
})

test('records are deleted', { skip: missing(2, 0) }, async () => {
  const topic = await newTopic()
  const messages = Array.from({ length: 100 }, (_, n) => ({ partition: 0, value: String(n) }))
  await connected(kafka.producer(), producer => producer.send({ topic, messages }))
  await admin(async client => {
    await client.fetchTopicOffsets(topic) // Before, it does not know the topic.
    await client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '40' }] })
    const [{ low, high }] = await client.fetchTopicOffsets(topic)
    assert.deepEqual([low, high], ['40', '100'])
    await assert.rejects(client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '500' }] }), /Error while deleting records/)
  })
  assert.equal((await ask({ read: topic, partition: 0, offset: 40, count: 60 }))[0].offset, 40)
})

test('topics are listed and get more partitions', { skip: missing(2, 0) }, async () => {
  const topic = await newTopic(2)
  await admin(async client => {
    assert.ok((await client.listTopics()).includes(topic))
    await client.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await until('there are five', async () => (await partitions(client, topic)).length === 5)
    await assert.rejects(client.createPartitions({ topicPartitions: [{ topic, count: 3 }] }))
    assert.deepEqual(await client.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] }), { topics: [] })
  })
})

test('the cluster is described', { skip: missing(2, 0) }, () =>
  admin(async client => {
    const cluster = await client.describeCluster()
    assert.deepEqual([cluster.brokers.map(broker => broker.nodeId), cluster.controller], [[1], 1])
    assert.equal(`${cluster.brokers[0].host}:${cluster.brokers[0].port}`, BROKER)
    assert.ok(cluster.clusterId)
    const broker = await client.describeConfigs({ includeSynonyms: true, resources: [{ type: 4, name: '1', configNames: ['log.dirs'] }] })
    assert.deepEqual(broker.resources[0].configEntries.map(entry => entry.configName), ['log.dirs'])
  }))
