// Prints Kafka's own verdict on server.properties files: one line for each argument, empty where a broker would go on
// to start, else the message it would end with. Runs as source: java -cp '<release>/libs/*' Verdict.java FILE...

import java.io.PrintStream;
import java.io.Reader;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;

public class Verdict {

    public static void main(String[] files) throws Exception {
        // What Kafka logs is no verdict.
        PrintStream verdicts = System.out;
        System.setOut(System.err);
        Class<?> config = Class.forName("kafka.server.KafkaConfig");
        for (String file : files) {
            Properties properties = new Properties();
            try (Reader reader = Files.newBufferedReader(Path.of(file))) {
                properties.load(reader);
            }
            verdicts.println(verdict(config, properties));
        }
    }

    // LogManager makes topics' defaults of it, whose ranges ConfigDef of brokers did not have before 3.3.
    private static void topics(Object config) throws Exception {
        Object server;
        try {
            server = Class.forName("kafka.server.KafkaServer$").getField("MODULE$").get(null);
        } catch (ClassNotFoundException since40) {
            return;
        }
        for (Method method : server.getClass().getMethods()) {
            if (method.getName().equals("copyKafkaConfigToLog")) {
                Object defaults = method.invoke(server, config);
                Object none = Class.forName("scala.collection.immutable.Set$").getField("MODULE$").get(null);
                Object empty = none.getClass().getMethod("empty").invoke(none);
                Constructor<?> made = Class.forName("kafka.log.LogConfig").getConstructors()[0];
                made.newInstance(defaults, empty);
            }
        }
    }

    private static String verdict(Class<?> config, Properties properties) throws Exception {
        try {
            Object found;
            try {
                found = config.getMethod("fromProps", Properties.class).invoke(null, properties);
            } catch (NoSuchMethodException since40) {
                found = config.getConstructor(Map.class).newInstance(properties);
            }
            topics(found);
            return "";
        } catch (InvocationTargetException refused) {
            return String.valueOf(refused.getCause().getMessage()).replace('\n', ' ');
        }
    }
}
