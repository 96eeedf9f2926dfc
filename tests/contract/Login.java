// Prints what Kafka reads of a listener's login in properties files: each option and its value, in base64 of UTF-8, sorted; one line for each file.
// Compiled: java -cp 'classes:<release>/libs/*' Login LISTENER MECHANISM FILE...

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.security.JaasContext;

public class Login {

    public static void main(String[] words) throws Exception {
        ListenerName listener = new ListenerName(words[0]);
        String name = words[1].toLowerCase() + ".sasl.jaas.config";
        for (int at = 2; at < words.length; at++) {
            Properties properties = new Properties();
            try (InputStream file = Files.newInputStream(Path.of(words[at]))) {
                properties.load(file);
            }
            Password text = new Password(properties.getProperty(listener.configPrefix() + name));
            JaasContext found = JaasContext.loadServerContext(listener, words[1], Map.of(name, text));
            List<String> told = new ArrayList<>();
            new TreeMap<>(found.configurationEntries().get(0).getOptions())
                .forEach((option, value) -> told.add(base64(option) + ":" + base64((String) value)));
            System.out.println(String.join(" ", told));
        }
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
