// Prints Kafka's own verdict on server.properties files: one line for each argument, empty where a broker would go on
// to start, else the message it would end with. Runs as source: java -cp '<release>/libs/*' Verdict.java FILE...

import java.io.Reader;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;

public class Verdict {

    public static void main(String[] files) throws Exception {
        Class<?> config = Class.forName("kafka.server.KafkaConfig");
        for (String file : files) {
            Properties properties = new Properties();
            try (Reader reader = Files.newBufferedReader(Path.of(file))) {
                properties.load(reader);
            }
            System.out.println(verdict(config, properties));
        }
    }

    private static String verdict(Class<?> config, Properties properties) throws Exception {
        try {
            try {
                config.getMethod("fromProps", Properties.class).invoke(null, properties);
            } catch (NoSuchMethodException since40) {
                config.getConstructor(Map.class).newInstance(properties);
            }
            return "";
        } catch (InvocationTargetException refused) {
            return String.valueOf(refused.getCause().getMessage()).replace('\n', ' ');
        }
    }
}
