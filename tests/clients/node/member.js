// Hosts members of groups by kafkajs; python/groups.py, which drives it, says in what words. KAFKAJS names the package.
'use strict'

const { createRequire } = require('node:module')
const path = require('node:path')
const readline = require('node:readline')

const { BROKER, KAFKAJS = 'kafkajs' } = process.env
const CACHE = path.resolve(process.env.CACHE || path.join(__dirname, '../../../target/clients'))
const { Kafka, logLevel } = createRequire(path.join(CACHE, 'node/'))(KAFKAJS)

const members = new Map()
const say = (...words) => process.stdout.write(words.join(' ') + '\n')
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

async function start(name, settings) {
  const log = () => ({ namespace, level, log }) => process.stderr.write(`${name} ${level} ${namespace} ${JSON.stringify(log)}\n`)
  const kafka = new Kafka({ brokers: [BROKER], clientId: name, logLevel: logLevel.WARN, logCreator: log })
  const consumer = kafka.consumer({
    groupId: settings.group,
    sessionTimeout: Number(settings.session),
    heartbeatInterval: Number(settings.heartbeat),
    rebalanceTimeout: 10000,
    maxWaitTimeInMs: 100,
    metadataMaxAge: 1000,
    retry: { initialRetryTime: 100, retries: 10 },
  })
  const member = { consumer, pause: 0 }
  members.set(name, member)
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    const mine = Object.entries(payload.memberAssignment || {})
    say(name, 'have', ...mine.flatMap(([topic, partitions]) => partitions.map(partition => `${topic}/${partition}`)))
  })
  // 1.4 does not tell of it.
  if (consumer.events.CRASH) consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) say(name, 'failed', String(payload.error).replace(/\s+/g, ' '))
  })
  await consumer.connect()
  for (const topic of settings.topics.split(',')) await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    // Before 2.0 it commits what was resolved, each time if it may gather but one.
    autoCommit: !consumer.commitOffsets,
    autoCommitThreshold: 1,
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch: { topic, partition, messages }, resolveOffset, commitOffsetsIfNecessary }) => {
      if (messages.length === 0) return
      say(name, 'handled', ...messages.map(({ offset, value }) => `${topic}/${partition}/${offset}/${value}`))
      const { offset } = messages[messages.length - 1]
      resolveOffset(offset)
      if (consumer.commitOffsets) await consumer.commitOffsets([{ topic, partition, offset: String(BigInt(offset) + 1n) }])
      else await commitOffsetsIfNecessary()
      if (member.pause) await sleep(member.pause)
      member.pause = 0
    },
  })
}

readline.createInterface({ input: process.stdin }).on('line', async line => {
  const [command, name, ...words] = line.split(' ')
  try {
    if (command === 'start') {
      await start(name, Object.fromEntries(words.map(word => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])))
    } else if (command === 'pause') {
      members.get(name).pause = Number(words[0])
    } else {
      await members.get(name).consumer.disconnect()
      say(name, 'left')
    }
  } catch (error) {
    say(name, 'failed', String(error.stack).replace(/\s+/g, ' '))
  }
}).on('close', () => process.exit(0))
