import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Kafka Streams on the benchmark's log: 60 s tumbling windows with count, mean, variance, min and max.
 *
 * <p>Arguments: brokers, topic, number of readings. Compiled and run by `tests/support/kafka_streams.py`; prints a
 * line of JSON with what it cost from the first reading taken to the last. CPU is that of the process: garbage
 * collector, compiler and Kafka's clients included.
 *
 * <p>Exactly once, as Weir is; one stream thread, since Weir has one worker. All else is as Kafka Streams has it by
 * default: a commit every 100 ms (Weir's checkpoints are a second apart), state in RocksDB, below `java.io.tmpdir`,
 * behind a cache of 10 MB, with changelogs.
 */
public final class KafkaStreamsWindows {
    private static final TimeWindows WINDOWS =
            TimeWindows.ofSizeAndGrace(Duration.ofSeconds(60), Duration.ofSeconds(10));
    private static final int PARTITIONS = 4;
    private static final int SILENCE_SECONDS = 30;
    private static final ObjectMapper JSON =
            new ObjectMapper().setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE);

    /** What one sensor measured; event time in seconds since the Unix epoch. */
    record Reading(String sensorId, double collectedAt, Map<String, Double> values, Integer sequence) {}

    /** A closed window as it is written: bounds in seconds since the Unix epoch, sample variance. */
    record Result(String sensorId, double start, double end,
            long count, double mean, double variance, double min, double max) {}

    /** An open window as it is kept; `squares` is the sum of squared differences from the mean (Welford 1962). */
    record Summary(long count, double mean, double squares, double min, double max) {
        static final Summary EMPTY = new Summary(0, 0, 0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY);

        Summary add(double value) {
            double difference = value - mean, moved = mean + difference / (count + 1);
            double added = difference * (value - moved);
            return new Summary(count + 1, moved, squares + added, Math.min(min, value), Math.max(max, value));
        }

        Result close(Windowed<String> of) {
            double start = of.window().start() / 1e3, end = of.window().end() / 1e3;
            double variance = count > 1 ? squares / (count - 1) : 0;
            return new Result(of.key(), start, end, count, mean, variance, min, max);
        }

        byte[] encode() {
            var to = ByteBuffer.allocate(5 * Double.BYTES).putLong(count);
            return to.putDouble(mean).putDouble(squares).putDouble(min).putDouble(max).array();
        }

        static Summary decode(byte[] bytes) {
            var from = ByteBuffer.wrap(bytes);
            return new Summary(from.getLong(), from.getDouble(), from.getDouble(), from.getDouble(), from.getDouble());
        }
    }

    /** Counts readings as they are taken, and measures from the first to the last, in nanoseconds. */
    static final class Meter {
        private final OperatingSystemMXBean process = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        private final AtomicInteger taken = new AtomicInteger();
        private final CountDownLatch all = new CountDownLatch(1);
        private final int readings;
        private long wall, cpu;

        Meter(int readings) {
            this.readings = readings;
        }

        void take() {
            int count = taken.incrementAndGet();
            if (count == 1) {
                wall = -System.nanoTime();
                cpu = -process.getProcessCpuTime();
            }
            if (count == readings) {
                wall += System.nanoTime();
                cpu += process.getProcessCpuTime();
                all.countDown();
            }
        }

        /** Waits for the last reading, and returns what they cost; throws when none has come for 30 s. */
        String cost() throws InterruptedException, TimeoutException {
            for (int silent = 0, before = 0; !all.await(1, TimeUnit.SECONDS); before = taken.get()) {
                silent = taken.get() > before ? 0 : silent + 1;
                if (silent == SILENCE_SECONDS) {
                    throw new TimeoutException(
                            "took %d of %d readings, then none for %d s".formatted(before, readings, silent));
                }
            }
            String line = "{\"readings\": %d, \"readings_per_second\": %f, \"cpu_us_per_reading\": %f}";
            return String.format(Locale.ROOT, line, readings, readings / (wall / 1e9), cpu / 1e3 / readings);
        }
    }

    private static <T> T checked(Callable<T> coding) {
        try {
            return coding.call();
        } catch (Exception error) {
            throw new SerializationException(error);
        }
    }

    private static <T> Serde<T> json(Class<T> type) {
        return Serdes.serdeFrom(
                (topic, value) -> checked(() -> JSON.writeValueAsBytes(value)),
                (topic, bytes) -> checked(() -> JSON.readValue(bytes, type)));
    }

    private static Topology windows(String from, String to, Meter meter) {
        var source = Consumed.with(Serdes.String(), json(Reading.class)).withTimestampExtractor(
                (record, streamTime) -> Math.round(((Reading) record.value()).collectedAt() * 1e3));
        var builder = new StreamsBuilder();
        builder.stream(from, source)
                .peek((sensor, reading) -> meter.take())
                .groupByKey()
                .windowedBy(WINDOWS)
                .aggregate(
                        () -> Summary.EMPTY,
                        (sensor, reading, summary) -> summary.add(reading.values().get("temperature")),
                        Materialized.<String, Summary, WindowStore<Bytes, byte[]>>as("windows")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(Serdes.serdeFrom(
                                        (topic, summary) -> summary.encode(), (topic, bytes) -> Summary.decode(bytes))))
                // EmitStrategy.onWindowClose has no cache: four times the work (measured with 100,000 readings).
                .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
                .toStream()
                .map((window, summary) -> KeyValue.pair(window.key(), summary.close(window)))
                .to(to, Produced.with(Serdes.String(), json(Result.class)));
        return builder.build();
    }

    public static void main(String[] arguments) throws Exception {
        String from = arguments[1], to = from + "-kafka-streams";
        var meter = new Meter(Integer.parseInt(arguments[2]));
        var settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, to);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        try (var admin = Admin.create(settings)) {
            admin.createTopics(List.of(new NewTopic(to, PARTITIONS, (short) 1))).all().get();
        }
        try (var streams = new KafkaStreams(windows(from, to, meter), settings)) {
            streams.start();
            System.out.println(meter.cost());
        }
    }
}
